import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.suite import Answer
from tasks.evaluation.suites.truthful_qa import TruthfulQA
from tasks.evaluation.suites.truthful_qa_items import Item, chance_levels, choice_metrics, item_of, read_items

VERSIONS = {"2021": (817, 0.222507, 0.464058), "2025": (790, 0.222863, 0.467677)}
ROW = {
    "question": "Is it so?",
    "mc1_targets": {"Yes.": 1, "No.": 0, "Never.": 0},
    "mc2_targets": {"Yes.": 1, "It is.": 1, "No.": 0, "Never.": 0},
}


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "mc_task.json").write_text(json.dumps([ROW, {**ROW, "question": "And that?"}]))
    return tmp_path


def item(true, false):
    total = range(true + false)
    return Item("q", 0, "q", tuple(map(str, total)), 0, tuple(total[true:]), tuple(total[:true]), tuple(total[true:]))


def scored(suite, score):
    return {q.prompt_id: Answer(q.prompt_id, scores=[score(c) for c in q.candidates]) for q in suite.questions({})}


def test_the_worked_example_of_the_official_code():
    found = choice_metrics(item(2, 3), [-1.0, -2.0, -1.5, -3.0, -0.5])
    assert found == pytest.approx({"mc1": 0.0, "mc1_argmax": 0.0, "mc2": 0.363946, "mc3": 0.0}, abs=1e-6)


@pytest.mark.parametrize(("version", "expected"), VERSIONS.items())
def test_chance_levels_of_both_published_files(shared_data, version, expected):
    items = read_items("truthful_qa", str(shared_data / "truthfulqa"), version, 0)
    chance = chance_levels(items)
    assert (len(items), chance["mc1"], chance["mc2"]) == pytest.approx(expected, abs=1e-6)
    assert all(one.best in one.all_true and set(one.false) == set(one.all_false) for one in items)
    assert all(len(one.best_incorrect) == (version == "2025") for one in items)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_without_preferences_is_never_right_although_the_best_answer_is_listed_first(shared_data, version):
    suite = TruthfulQA(data=str(shared_data / "truthfulqa"), version=version)
    found = suite.evaluate(scored(suite, lambda _: -7.0), judge=None)
    means = {one.metric: one.value for one in found.aggregates if not one.group}
    assert means["mc1"] == means["mc3"] == 0.0
    assert means["mc1_argmax"] == 1.0
    assert means["mc2"] == pytest.approx(VERSIONS[version][2], abs=1e-6)
    assert means.get("mc0", 0.0) == 0.0
    assert f"MC1 {VERSIONS[version][1]}" in found.notes[0]


def test_random_scores_come_out_at_chance(shared_data):
    suite = TruthfulQA(data=str(shared_data / "truthfulqa"))
    rng = np.random.default_rng(0)
    found = suite.evaluate(scored(suite, lambda _: float(rng.normal())), judge=None)
    mc1 = found.aggregates[0]
    assert mc1.low < VERSIONS["2021"][1] < mc1.high
    assert mc1.value == found.aggregates[1].value


def test_the_two_option_version_leads_where_there_is_one(shared_data):
    suite = TruthfulQA(data=str(shared_data / "truthfulqa"), version="2025")
    bad = {one.prompt_id: one.candidates[one.best_incorrect[0]] for one in suite.items()}
    answers = {
        q.prompt_id: Answer(q.prompt_id, scores=[-1.0 - (c == f" {bad[q.prompt_id]}") for c in q.candidates])
        for q in suite.questions({})
    }
    headline = suite.evaluate(answers, judge=None).aggregates[0]
    assert (headline.metric, headline.value, headline.n) == ("mc0", 1.0, 790)
    assert headline.low == pytest.approx(790 / (790 + 1.959963984540054**2))


def test_categories_come_from_the_table_beside_the_questions(shared_data):
    suite = TruthfulQA(data=str(shared_data / "truthfulqa"))
    found = suite.evaluate(scored(suite, lambda text: -float(len(text))), judge=None)
    groups = [one for one in found.aggregates if one.group]
    assert (len(groups), sum(one.n for one in groups)) == (38, 817)
    whole = found.aggregates[0]
    assert sum(one.n * one.value for one in groups) / 817 == pytest.approx(whole.value)
    assert [path.name for path in suite.files()] == ["mc_task_817.json.gz", "TruthfulQA_817.csv"]


def test_the_prompt_is_the_official_preset(tiny):
    question = TruthfulQA(data=str(tiny)).questions({})[0]
    assert question.prompt.startswith("Q: What is human life expectancy in the United States?\nA: Human life")
    assert question.prompt.endswith("were held in Barcelona, Spain.\n\nQ: Is it so?\nA:")
    assert question.prompt.count("Q: ") == 7
    assert question.candidates == [" Yes.", " No.", " Never.", " It is."]


scores_of_six = st.lists(st.floats(-1e3, 0.0), min_size=6, max_size=6)


@given(scores_of_six, st.floats(-50.0, 50.0), st.integers(1, 5))
def test_metrics_are_shares_ordered_and_unmoved_by_a_common_shift(scores, shift, true):
    asked = item(true, 6 - true)
    found = choice_metrics(asked, scores)
    assert all(0.0 <= value <= 1.0 for value in found.values())
    assert found["mc1"] <= found["mc1_argmax"]
    assert found["mc1"] <= found["mc3"] * true + 1e-12
    assert choice_metrics(asked, [score + shift for score in scores])["mc2"] == pytest.approx(found["mc2"], abs=1e-6)


def test_the_hubs_form_of_the_targets_is_the_same_item(tmp_path):
    def hub(targets):
        return {"choices": list(targets), "labels": list(targets.values())}

    row = {"question": ROW["question"], **{name: hub(ROW[name]) for name in ("mc1_targets", "mc2_targets")}}
    assert item_of("truthful_qa", tmp_path, 0, row, {}) == item_of("truthful_qa", tmp_path, 0, ROW, {})


def test_the_other_version_and_malformed_rows_are_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="is the version of 2021 and not of 2025"):
        TruthfulQA(data=str(tiny), version="2025").questions({})
    with pytest.raises(UserError, match="row 3: wanted are one true answer"):
        item_of("truthful_qa", tmp_path, 2, {**ROW, "mc1_targets": {"Yes.": 1, "It is.": 1}}, {})
    with pytest.raises(UserError, match="mc2_targets: wanted is"):
        item_of("truthful_qa", tmp_path, 0, {**ROW, "mc2_targets": ["Yes."]}, {})


def test_unanswered_questions_are_named(tiny):
    suite = TruthfulQA(data=str(tiny))
    with pytest.raises(UserError, match=r"truthful_qa: 2 of 2 .* truthful_qa/0 \(no answer\), truthful_qa/1 \(3 score"):
        suite.evaluate({"truthful_qa/1": Answer("truthful_qa/1", scores=[0.0, 0.0, 0.0])}, judge=None)
    with pytest.raises(UserError, match="not finite"):
        suite.evaluate(scored(suite, lambda _: float("nan")), judge=None)


def test_limit_identity_and_registered_metrics(tiny):
    suite = TruthfulQA(data=str(tiny), limit=1)
    assert [question.aliases for question in suite.questions({})] == [("0", "Is it so?")]
    assert suite.conventions().split == "all, first 1"
    assert suite.conventions() != TruthfulQA(data=str(tiny)).conventions()
    found = suite.evaluate(scored(suite, lambda _: -1.0), judge=None)
    assert all(find_metric(f"eval/truthful_qa/{name}") for name in found.scores["metric"])
    assert list(found.samples["likeliest_false_answer"]) == ["No."]


def test_a_missing_folder_is_told_by_the_file_that_is_wanted(tmp_path):
    with pytest.raises(UserError, match=r"no file or folder .*; mc_task_817\.json .*--data"):
        TruthfulQA(data=str(tmp_path / "nope")).files()
