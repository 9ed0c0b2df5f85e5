import json
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.chat_judge import ChatJudge
from tasks.evaluation.judges.judge import Comparison, Completion, Grade, Grading
from tasks.evaluation.judges.no_judge import NoJudge
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.mt_bench import TEMPERATURES, MTBench
from tasks.evaluation.suites.mt_bench_conversations import Conversation, Resampling, grade_table, report
from tasks.evaluation.suites.mt_bench_prompts import PROMPTS
from tasks.evaluation.suites.mt_bench_templates import (
    GradingTemplate,
    WinnerTemplate,
    preference_of_scores,
    read_rating,
    read_winner,
)
from tasks.evaluation.suites.suite import Answer


class ScriptedModel:
    """A chat model that says what a function of the request says."""

    name, version = "scripted", "1"

    def __init__(self, say):
        self.say, self.requests = say, []

    def complete(self, requests):
        self.requests += requests
        return [Completion(self.say(request.messages[0]["content"], request.messages[1]["content"]))
                for request in requests]  # fmt: skip


def judge_that(say):
    model = ScriptedModel(say)
    return ChatJudge(model, model.name, model.version), model


def answered(suite, response="Fine."):
    """Both turns of every question, asked as the evaluation asks."""
    answers = {}
    while questions := suite.questions(answers):
        answers |= {one.prompt_id: Answer(one.prompt_id, [response], [], [True], [5]) for one in questions}
    return answers


def test_the_prompts_are_the_published_ones():
    digests = {name: sha256("".join(prompt).encode()).hexdigest()[:6] for name, prompt in PROMPTS.items()}
    assert digests == {
        "pair-v2": "5de01c",
        "pair-v2-multi-turn": "527852",
        "pair-math-v1": "7347e1",
        "pair-math-v1-multi-turn": "727f28",
        "single-v1": "af99f1",
        "single-math-v1": "02dc87",
        "single-v1-multi-turn": "3157be",
        "single-math-v1-multi-turn": "89deb1",
    }


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Rating: [[7]]", 7.0),
        ("Rating: [[8.5]] and [[2]]", 8.5),
        ("see [1]; Rating: [[9]]", 9.0),
        ("Rating: [6]", 6.0),
        ("Rating: 6", None),
        ("Rating: [[10]]", 10.0),
        ("Rating: [[0]]", None),
        ("Rating: [[100]]", None),
    ],
)
def test_reading_a_rating(text, rating):
    assert read_rating(text) == rating


@pytest.mark.parametrize(
    ("text", "preference"),
    [("[[A]]", 0.0), ("so [[B]]", 1.0), ("[[C]]", 0.5), ("[[A]] no, [[B]]", 0.0), ("[[7,8.5]]", 1.0), ("A", None)],
)
def test_reading_a_winner(text, preference):
    assert read_winner(text) == preference


def test_scores_within_a_tenth_tie():
    assert [preference_of_scores(7, other) for other in (7.0, 7.05, 6.95, 7.5, 6.5)] == [0.5, 0.5, 0.5, 1.0, 0.0]


def test_the_questions_of_both_turns(shared_data):
    suite = MTBench(data=str(shared_data))
    assert [path.name for path in suite.files()] == ["question.jsonl", "reference_answer_gpt4.jsonl"]
    first = suite.questions({})
    assert (len(first), first[0].prompt_id, first[0].max_new_tokens) == (80, "81/1", 1024)
    categories = [one.category for one in suite.conversations()]
    assert [one.temperature for one in first] == [TEMPERATURES[category] for category in categories]
    assert sum(bool(one.references) for one in suite.conversations()) == 30
    second = suite.questions({"81/1": Answer("81/1", ["A trip."])})
    assert [one.prompt_id for one in second][-1] == "81/2"
    assert len(second) == 80
    assert [message["role"] for message in second[-1].prompt] == ["user", "assistant", "user"]
    assert second[-1].prompt[1]["content"] == "A trip."
    assert second[-1].prompt[2]["content"].startswith("Rewrite your previous response.")
    assert len(answered(suite)) == 160


def test_grading_by_the_real_prompts(shared_data):
    suite = MTBench(data=str(shared_data), bootstrap_rounds=50)
    answers = answered(suite, "Fine {with braces}.")

    def say(system, text):
        reference = "Reference" in text
        return f"Rating: [[{4 if 'question_2' in text else 3 if reference else 8}]]" if "trip" not in text else "none"

    judge, model = judge_that(say)
    found = suite.evaluate(answers, judge)
    assert len(model.requests) == 160
    assert [model.requests[0].temperature, model.requests[0].max_tokens] == [0.0, 2048]
    texts = [request.messages[1]["content"] for request in model.requests]
    assert sum("The Start of Reference Answer" in text for text in texts) == 60
    assert sum("### User:" in text for text in texts) == 80
    assert texts[0].endswith("[The Start of Assistant's Answer]\nFine {with braces}.\n[The End of Assistant's Answer]")
    value = {(one.metric, one.group): one for one in found.aggregates}
    assert value["mt_bench_grade", "math"].value == 3.0
    assert value["mt_bench_grade", "humanities"].value == 8.0
    unread = len(texts) - sum("trip" not in text for text in texts)
    assert unread > 0
    assert value["invalid_judgments", ""].value == pytest.approx(unread / 160)
    assert f"{unread} of 160 judgments could not be read" in found.notes[0]
    headline = found.aggregates[0]
    assert (headline.metric, headline.group) == ("mt_bench_grade", "")
    assert headline.low < headline.value < headline.high
    assert {metric for metric, _ in value} <= {one for one in {m for m, _ in value} if find_metric(one)}
    assert all(find_metric(metric) for metric in found.scores["metric"].unique())
    assert set(found.scores["prompt_id"]) <= {str(number) for number in range(81, 161)}


def test_what_each_turn_is_graded_with():
    template = GradingTemplate({"101": ("one", "two")})
    first = template.request(Grading("101/1", user_prompt("q1"), "a1"), 0, "").messages
    assert first[0]["content"] == "You are a helpful assistant."
    assert "[The Start of Reference Answer]\none\n" in first[1]["content"]
    assert "[Question]\nq1\n" in first[1]["content"]
    turns = [*user_prompt("q1"), *user_prompt("q2")]
    second = template.request(Grading("101/2", turns, "a2", earlier=["a1"]), 0, "").messages
    assert second[0]["content"] == PROMPTS["single-math-v1-multi-turn"].system
    assert "### User:\nq2\n\n### Reference answer:\ntwo" in second[1]["content"]
    assert "### Assistant A:\na1\n\n### User:\nq2\n\n### Assistant A:\na2" in second[1]["content"]
    general = template.request(Grading("81/2", turns, "a2", earlier=["a1"]), 0, "").messages
    assert general[0]["content"] == PROMPTS["single-v1-multi-turn"].system
    pair = WinnerTemplate().request(
        Comparison("81/2/game1", turns, "x2", "y2", first_turns=["x1"], second_turns=["y1"]), 0, ""
    )
    assert pair.messages[0]["content"] == PROMPTS["pair-v2-multi-turn"].system
    assert "### Assistant B:\ny1\n\n### User:\nq2\n\n### Assistant B:\ny2" in pair.messages[1]["content"]


def conversations(count):
    return [Conversation(str(i), "stem" if i % 2 else "math", (f"a{i}", f"b{i}")) for i in range(count)]


def graded(values):
    """A report on as many conversations as there are pairs of grades."""
    answers = {f"{i}/{turn}": Answer(f"{i}/{turn}", ["x"]) for i in range(len(values)) for turn in (1, 2)}
    grades = [Grade(f"{i}/{turn + 1}", pair[turn]) for i, pair in enumerate(values) for turn in (0, 1)]
    table = grade_table(conversations(len(values)), answers, grades)
    return report("mt_bench", "mt_bench_grade", table, dict.fromkeys(answers, 1.0), Resampling(200, 0))


def test_turns_are_pooled_and_unreadable_ones_dropped():
    found = graded([(8.0, 6.0), (10.0, None), (None, None), (3.0, 5.0)])
    value = {(one.metric, one.group): one for one in found.aggregates}
    assert value["mt_bench_grade", ""].value == pytest.approx((8 + 6 + 10 + 3 + 5) / 5)
    assert value["mt_bench_grade", "turn 1"].value == 7.0
    assert value["mt_bench_grade", "turn 2"].value == 5.5
    assert (value["mt_bench_grade", ""].n, value["mt_bench_grade", "turn 2"].n) == (3, 2)
    assert value["invalid_judgments", ""].value == pytest.approx(3 / 8)
    rows = found.scores[found.scores["metric"] == "mt_bench_grade"]
    assert dict(zip(rows["prompt_id"], rows["value"], strict=True)) == {"0": 7.0, "1": 10.0, "3": 4.0}
    with pytest.raises(UserError, match="not one of 4 judgments could be read"):
        graded([(None, None), (None, None)])


def test_the_bootstrap_keeps_the_turns_of_a_question_together():
    values = np.random.default_rng(0).uniform(1, 10, 60)
    together = graded([(value, value) for value in values]).aggregates[0]
    assert together.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(60), rel=0.15)


@given(st.lists(st.tuples(*[st.none() | st.floats(1, 10)] * 2), min_size=1, max_size=8))
@settings(max_examples=25)
def test_numbers_stay_in_the_scale(values):
    if not any(grade is not None for pair in values for grade in pair):
        return
    for one in graded(values).aggregates:
        if one.metric == "mt_bench_grade" and one.n == 1:
            assert np.isnan([one.low, one.high]).all()
        elif one.metric == "mt_bench_grade":
            assert one.low - 1e-9 >= 1.0 or one.low == pytest.approx(1.0)
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9
            assert one.high <= 10.0 + 1e-9


def baseline_file(tmp_path, suite):
    path = tmp_path / "baseline.jsonl"
    rows = [{"question_id": int(one.question_id), "model_id": "b", "choices": [{"index": 0, "turns": ["bad", "bad"]}]}
            for one in suite.conversations()]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairwise_wants_agreement_of_both_orders(tmp_path, shared_data):
    single = MTBench(data=str(shared_data), limit=10, bootstrap_rounds=20)
    suite = single.model_copy(update={"mode": "pairwise", "baseline_file": str(baseline_file(tmp_path, single))})
    answers = answered(single, "good")

    def say(system, text):
        if "User Question" in text:
            return "[[A]]" if text.index("good") < text.index("bad") else "[[B]]"
        return "[[A]]"

    judge, model = judge_that(say)
    found = suite.evaluate(answers, judge)
    assert len(model.requests) == 40
    value = {(one.metric, one.group): one.value for one in found.aggregates}
    assert value["win_rate", "turn 1"] == 1.0
    assert value["win_rate", "turn 2"] == 0.5
    assert value["win_rate", ""] == 0.75
    assert value["position_flip_rate", ""] == 0.5
    assert value["first_position_share", ""] == 0.75
    assert "10 wins, 10 ties and 0 losses" in found.notes[1]
    assert set(found.samples["reference"]) == {"bad"}
    assert len(suite.files()) == 3


def test_what_is_missing_is_said(tmp_path, shared_data):
    suite = MTBench(data=str(shared_data), limit=2)
    answers = answered(suite)
    with pytest.raises(UserError, match="mt_bench needs a judge"):
        suite.evaluate(answers, NoJudge())
    judge, model = judge_that(lambda system, text: "[[5]]")
    del answers["82/2"]
    with pytest.raises(UserError, match=r"mt_bench: 1 of 4 questions are not answered: 82/2 \(no answer\)"):
        suite.evaluate(answers, judge)
    with pytest.raises(UserError, match="pairwise wants baseline_file"):
        MTBench(data=str(shared_data), mode="pairwise").files()
    (tmp_path / "question.jsonl").write_text((shared_data / "mt_bench" / "question.jsonl").read_text())
    with pytest.raises(UserError, match=r"reference_answer/gpt-4\.jsonl"):
        MTBench(data=str(tmp_path)).questions({})
    assert model.requests == []


def test_a_question_that_wants_a_reference_has_one(tmp_path, shared_data):
    folder = shared_data / "mt_bench"
    (tmp_path / "question.jsonl").write_text((folder / "question.jsonl").read_text())
    lines = (folder / "reference_answer_gpt4.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "reference_answer_gpt4.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(UserError, match=r"no reference answer to question 101 \(reasoning\)"):
        MTBench(data=str(tmp_path)).questions({})


def test_identity_depends_on_mode():
    assert MTBench().conventions() != MTBench(mode="pairwise", baseline_file="x").conventions()
    assert MTBench().conventions() == MTBench(data="elsewhere").conventions()
    here, there = (MTBench(mode="pairwise", baseline_file=f"{place}/sft.jsonl") for place in ("here", "there"))
    assert here.conventions() == there.conventions(), "the content of the file is in the questions' digest"


def test_equal_grades_are_not_certain():
    found = graded([(5.0, 5.0)] * 4).aggregates[0]
    assert 1.0 < found.low < 5.0 < found.high < 10.0
    assert "Clopper-Pearson" in found.method


def test_a_question_that_is_there_twice_is_refused(tmp_path, shared_data):
    folder = shared_data / "mt_bench"
    text = (folder / "question.jsonl").read_text()
    (tmp_path / "question.jsonl").write_text(text + text.splitlines()[0] + "\n")
    (tmp_path / "reference_answer_gpt4.jsonl").write_text((folder / "reference_answer_gpt4.jsonl").read_text())
    with pytest.raises(UserError, match=r"row 81 has the 'question_id' of row 1, 81; keep one"):
        MTBench(data=str(tmp_path)).questions({})
