import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.data.records import read_records
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.gsm8k import GSM8K
from tasks.evaluation.suites.gsm8k_extraction import (
    answer_is,
    answer_line,
    flexible,
    matches,
    normalised,
    official,
    reference_of,
    strict,
    without_calculator,
)
from tasks.evaluation.suites.suite import Answer

MODELS = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}


@pytest.fixture
def tiny(tmp_path):
    rows = [
        {"question": f"How much is {n} and 1?", "answer": f"{n} + 1 = <<{n}+1={n + 1}>>{n + 1}\n#### {n + 1}"}
        for n in range(1000, 1006)
    ]
    for name in ("test.jsonl", "train.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def answered(questions, *responses):
    return {question.prompt_id: Answer(question.prompt_id, list(responses)) for question in questions}


@pytest.mark.parametrize(("model", "right"), MODELS.items())
def test_the_published_solutions_and_every_one_of_their_flags(shared_data, model, right):
    suite = GSM8K(data=str(shared_data / "gsm8k"), style="chat", extraction="answer_line")
    rows = read_records(shared_data / "gsm8k" / "example_model_solutions.jsonl")
    questions = suite.questions({})
    assert [question.aliases[1] for question in questions] == [row["question"] for row in rows]
    answers = {q.prompt_id: Answer(q.prompt_id, [r[model]["solution"]]) for q, r in zip(questions, rows, strict=True)}
    found = suite.evaluate(answers, judge=None)
    headline = found.aggregates[0]
    assert (headline.metric, headline.n) == ("exact_match", 1319)
    assert headline.value * 1319 == pytest.approx(right)
    scores = found.scores[found.scores["metric"] == "exact_match"]
    assert (scores["value"].to_numpy() == [float(row[model]["is_correct"]) for row in rows]).all()


def test_wilson_interval_of_the_published_175b_verifier(shared_data):
    suite = GSM8K(data=str(shared_data / "gsm8k"), style="chat", extraction="answer_line")
    rows = read_records(shared_data / "gsm8k" / "example_model_solutions.jsonl")
    answers = {f"gsm8k/{n}": Answer(f"gsm8k/{n}", [row["175b_verification"]["solution"]]) for n, row in enumerate(rows)}
    headline = suite.evaluate(answers, judge=None).aggregates[0]
    n, share, z = 1319, 742 / 1319, 1.959963984540054
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    assert (headline.low, headline.high) == pytest.approx((centre - half, centre + half))
    assert 100 * headline.value == pytest.approx(56.254738, abs=1e-6)


def test_every_reference_solution_is_right_by_every_form_that_reads_it(shared_data):
    suite = GSM8K(data=str(shared_data / "gsm8k"))
    problems = suite.problems()
    assert len(problems) == 1319
    assert sum("," in problem.solution.split("#### ")[1] for problem in problems) == 14
    for extraction in ("official", "strict", "flexible"):
        assert all(matches(extraction, problem.solution, problem.reference) for problem in problems)
    assert all(int(problem.reference) is not None for problem in problems)


def test_few_shot_prompt_is_the_harness_form_with_the_first_training_rows(shared_data):
    suite = GSM8K(data=str(shared_data / "gsm8k"), limit=2)
    question = suite.questions({})[1]
    assert question.prompt.startswith(
        "Question: Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How "
        "many clips did Natalia sell altogether in April and May?\nAnswer: Natalia sold 48/2 = <<48/2=24>>24 clips in "
        "May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72\n\nQuestion: "
    )
    assert question.prompt.endswith(f"\n\nQuestion: {question.aliases[1]}\nAnswer:")
    assert question.prompt.count("Question: ") == 6
    assert question.stop == ("Question:", "</s>", "<|im_end|>")
    assert question.temperature == 0.0


def test_stripping_the_calculator_leaves_no_annotation(shared_data):
    kept, stripped = (
        GSM8K(data=str(shared_data / "gsm8k"), limit=1, calculator=mode).questions({})[0].prompt
        for mode in ("keep", "strip")
    )
    assert "<<" not in stripped
    assert without_calculator(kept) == stripped != kept


def test_chain_of_thought_and_chat_prompts(tiny):
    chain = GSM8K(data=str(tiny), style="chain_of_thought").questions({})[0]
    assert chain.prompt.startswith("Q: There are 15 trees in the grove.")
    assert chain.prompt.endswith("23 - 15 is 8. The answer is 8.\n\nQ: How much is 1000 and 1?\nA:")
    assert chain.prompt.count("The answer is ") == 8
    chat = GSM8K(data=str(tiny / "test.jsonl"), style="chat").questions({})[0]
    assert [message["role"] for message in chat.prompt] == ["user"]
    assert chat.prompt[0]["content"].endswith("How much is 1000 and 1?")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("so #### 1,234.", {"official": "1234.", "strict": "1,234.", "flexible": "1,234."}),
        ("#### 5 and #### 6", {"official": "5", "strict": "5", "flexible": "6"}),
        ("#### $5", {"official": "[invalid]", "strict": "[invalid]", "flexible": "$5"}),
        ("it is -12 ...", {"official": "[invalid]", "strict": "[invalid]", "flexible": "..."}),
        ("nothing", {"official": "[invalid]", "strict": "[invalid]", "flexible": "[invalid]"}),
    ],
)
def test_what_each_form_reads(response, expected):
    assert {form.__name__: form(response) for form in (official, strict, flexible)} == expected


def test_openai_compares_texts_and_the_harness_mends_them():
    assert not matches("official", "#### 1234.", "1234")
    assert matches("strict", "#### 1,234.", "1234")
    assert matches("flexible", "That is $1,234.", "1234")
    assert not matches("strict", "#### 5.0", "5")
    assert not matches("strict", "[invalid]", "5")
    assert answer_is("The answer is 8. The answer is 9.") == "8."
    assert matches("answer_is", "So 2 x 4. The answer is 8.", "8")
    assert answer_line("A: 3\nmore\nA: 1,000") == "1000"
    assert normalised("#### 1 #### $2,000.") == "2000"


@given(st.integers(-(10**9), 10**9))
def test_a_number_written_in_any_usual_way_is_found(number):
    for text in (f"#### {number}", f"first #### {number:,}."):
        assert matches("strict", text, str(number))
        assert matches("flexible", text, str(number))
    assert matches("answer_is", f"The answer is {number:,}.", str(number))


def test_pass_at_1_is_the_mean_over_samples(tiny):
    suite = GSM8K(data=str(tiny), style="chat", samples=4, temperature=0.7, limit=2)
    questions = suite.questions({})
    assert {(question.samples, question.temperature) for question in questions} == {(4, 0.7)}
    found = suite.evaluate(answered(questions, "#### 1001", "1001", "#### 1002", "I do not know"), judge=None)
    values = found.scores.set_index(["prompt_id", "metric"])["value"]
    assert values["gsm8k/0", "exact_match"] == 0.5
    assert values["gsm8k/1", "exact_match"] == 0.25
    assert values["gsm8k/0", "exact_match_strict"] == 0.25
    assert found.aggregates[0].value == pytest.approx(0.375)
    assert found.notes[0].startswith("2 of 8 responses hold no answer")
    assert list(found.samples["extracted"]) == ["1001", "1001"]


def test_several_greedy_samples_are_refused():
    with pytest.raises(ValidationError, match="at temperature 0 are one text"):
        GSM8K(samples=4)


def test_missing_answers_name_the_suite_and_the_first_problems(tiny):
    suite = GSM8K(data=str(tiny), style="chat")
    answers = answered(suite.questions({})[2:], "1")
    assert [question.prompt_id for question in suite.questions(answers)] == ["gsm8k/0", "gsm8k/1"]
    with pytest.raises(UserError, match=r"gsm8k: 2 of 6 questions are not answered: gsm8k/0 \(no answer\), gsm8k/1"):
        suite.evaluate(answers, judge=None)


def test_a_file_with_other_columns_or_no_reference_is_refused(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"problem": "1 + 1", "answer": "2"}\n')
    with pytest.raises(UserError, match=r"test\.jsonl row 1 lacks 'question'"):
        GSM8K(data=str(tmp_path), style="chat").questions({})
    with pytest.raises(UserError, match="has no '#### N'"):
        reference_of("it is 5")


def test_its_identity_holds_the_protocol_and_its_metrics_are_registered(tiny):
    suites = [
        GSM8K(data=str(tiny)),
        GSM8K(data=str(tiny), style="chat"),
        GSM8K(data=str(tiny), style="chain_of_thought"),
        GSM8K(data=str(tiny), calculator="strip"),
        GSM8K(data=str(tiny), examples=4),
        GSM8K(data=str(tiny), extraction="flexible"),
        GSM8K(data=str(tiny), limit=3),
    ]
    assert len({suite.conventions().model_dump_json() for suite in suites}) == len(suites)
    assert suites[0].conventions() == GSM8K(data=str(tiny), extraction="strict").conventions(), "what by_style means"
    assert [path.name for path in suites[0].files()] == ["test.jsonl", "train.jsonl"]
    assert [path.name for path in suites[1].files()] == ["test.jsonl"]
    assert all(find_metric(f"eval/gsm8k/{name}") for name in ("exact_match", "exact_match_strict"))
