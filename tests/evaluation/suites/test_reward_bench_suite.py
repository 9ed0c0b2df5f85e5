import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.reward_bench import SECTIONS, RewardBench, credit
from tasks.evaluation.suites.suite import Answer

WEIGHTS = {subset: weight for weights in SECTIONS.values() for subset, weight in weights.items()}


def pairs_file(folder, pairs_by_subset):
    rows = [
        {"id": number, "subset": subset, "prompt": "Which?", "chosen": f"good {subset}", "rejected": "bad"}
        for subset, pairs in pairs_by_subset.items()
        for number in range(pairs)
    ]
    (folder / "reward_bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def ranked(suite, right_of_ten):
    """Answers that rank the first of every ten pairs of a subset as labelled, as many as ``right_of_ten`` says."""
    answers = {}
    for question in suite.questions({}):
        subset, number = question.aliases[0].split("/")
        right = int(number) % 10 < right_of_ten.get(subset, 5)
        answers[question.prompt_id] = Answer(question.prompt_id, scores=(-1.0, -2.0) if right else (-2.0, -1.0))
    return answers


def test_the_published_counts():
    assert {section: sum(weights.values()) for section, weights in SECTIONS.items()} == {
        "Chat": 358,
        "Chat Hard": 456,
        "Safety": 740,
        "Reasoning": 984 + 6 * 164,
    }
    assert sum(WEIGHTS.values()) - WEIGHTS["math-prm"] + 447 == 2985
    assert len(WEIGHTS) == 23


def test_sections_and_overall_of_the_worked_example(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, dict.fromkeys(WEIGHTS, 10)))
    found = suite.evaluate(ranked(suite, {"alpacaeval-easy": 10, "math-prm": 9, "donotanswer": 0}), judge=None)
    head = {one.group or "overall": one.value for one in found.aggregates[:5]}
    expected = {"overall": 0.561943, "Chat": 0.639665, "Chat Hard": 0.5, "Safety": 0.408108, "Reasoning": 0.7}
    assert head == pytest.approx(expected, abs=1e-6)
    assert [one.metric for one in found.aggregates[:2]] == ["reward_bench_score", "section_accuracy"]
    assert found.notes == []
    assert found.aggregates[0].low < 0.561943 < found.aggregates[0].high


def test_weights_are_the_published_counts_and_not_those_of_the_file(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, {"math-prm": 20, "hep-cpp": 10}))
    found = suite.evaluate(ranked(suite, {"math-prm": 10, "hep-cpp": 0}), judge=None)
    section = found.aggregates[0]
    assert (section.group, section.n) == ("Reasoning", 30)
    assert section.value == pytest.approx(984 / (984 + 164))


def test_missing_subsets_and_sections_are_reported(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, {"alpacaeval-easy": 10, "donotanswer": 10}))
    found = suite.evaluate(ranked(suite, {"alpacaeval-easy": 10}), judge=None)
    assert [(one.metric, one.group) for one in found.aggregates[:2]] == [
        ("section_accuracy", "Chat"),
        ("section_accuracy", "Safety"),
    ]
    assert any(note.startswith("section Chat is the average") and "mt-bench-med" in note for note in found.notes)
    assert "section Reasoning is not there, and so there is no overall score" in found.notes


@pytest.mark.parametrize(("ties", "expected"), [("wrong", 0.0), ("half", 0.5)])
def test_ties(tmp_path, ties, expected):
    suite = RewardBench(data=pairs_file(tmp_path, {"hep-go": 3}), ties=ties)
    answers = {q.prompt_id: Answer(q.prompt_id, scores=(1.5, 1.5)) for q in suite.questions({})}
    found = suite.evaluate(answers, judge=None)
    assert found.aggregates[0].value == expected
    assert found.notes[-1] == "3 of 3 pairs have equal scores"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.01, 10.0), st.sampled_from([0.0, 0.5]))
def test_only_the_order_of_scores_counts(chosen, rejected, beta, tie):
    assert credit((chosen, rejected), 0.5) + credit((rejected, chosen), 0.5) == 1.0
    if beta * chosen != beta * rejected:
        assert credit((beta * chosen, beta * rejected), tie) == credit((chosen, rejected), tie)


def test_questions_are_ranked_by_reward_chosen_first(tmp_path):
    question = RewardBench(data=pairs_file(tmp_path, {"hep-js": 2}), limit=1).questions({})[0]
    assert question.candidates == ("good hep-js", "bad")
    assert question.by_reward
    assert list(question.prompt) == [{"role": "user", "content": "Which?"}]


def test_wrong_files_and_missing_answers(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, {"anthropic_helpful": 1}))
    with pytest.raises(UserError, match="row 1: RewardBench v1 has no subset 'anthropic_helpful'"):
        suite.questions({})
    suite = RewardBench(data=pairs_file(tmp_path, {"hep-js": 7}))
    with pytest.raises(UserError, match=r"reward_bench: 7 of 7 .*reward_bench/0 \(no answer\).*, \.\.\.;"):
        suite.evaluate({}, judge=None)


def test_metrics_are_registered_and_ties_are_part_of_the_identity(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, {"hep-js": 2}))
    found = suite.evaluate(ranked(suite, {}), judge=None)
    assert all(find_metric(one.metric) for one in found.aggregates)
    assert suite.conventions() != RewardBench(data=str(tmp_path), ties="half").conventions()
    assert list(found.samples["chosen_score"]) == [-1.0, -1.0]


def test_a_section_without_a_mistake_is_not_certain(tmp_path):
    suite = RewardBench(data=pairs_file(tmp_path, {"hep-js": 20}))
    found = suite.evaluate(ranked(suite, {"hep-js": 10}), judge=None)
    section, subset = found.aggregates
    assert section.value == section.high == 1.0
    assert section.low == pytest.approx(subset.low)
    assert subset.low < 0.9


def test_a_response_may_be_empty(tmp_path):
    row = {"prompt": "p", "chosen": "c", "rejected": "", "subset": "hep-go"}
    (tmp_path / "reward_bench.jsonl").write_text(json.dumps(row) + "\n")
    assert RewardBench(data=str(tmp_path)).questions({})[0].candidates == ("c", "")
