import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison
from tasks.evaluation.judges.recorded import RecordedJudge
from tasks.evaluation.suites.alpaca_eval_template import WeightedPreference

ROW = {"instruction": "i", "output_1": "a", "output_2": "b", "generator_1": "base", "generator_2": "model"}


def preferences(judge, *pairs):
    comparisons = [Comparison(str(n), user_prompt("i"), first, second) for n, (first, second) in enumerate(pairs)]
    return [verdict.preference for verdict in judge.compare(comparisons, WeightedPreference())]


@given(st.floats(1.0, 2.0))
def test_either_order_has_the_recorded_verdict(preference):
    judge = RecordedJudge([ROW | {"preference": preference}])
    forward, backward = preferences(judge, ("a", "b"), ("b", "a"))
    assert forward == preference - 1.0
    assert forward + backward == pytest.approx(1.0)


@pytest.mark.parametrize("draw", [0, 0.0, 1.5, "1.5", "0"])
def test_draws_of_old_and_new_files(draw):
    assert preferences(RecordedJudge([ROW | {"preference": draw}]), ("a", "b"), ("b", "a")) == [0.5, 0.5]


@pytest.mark.parametrize("missing", [None, float("nan"), "", "nan"])
def test_missing_annotations_are_no_verdict(missing):
    assert preferences(RecordedJudge([ROW | {"preference": missing}]), ("a", "b"), ("b", "a")) == [None, None]


@pytest.mark.parametrize("preference", [3, 0.5, -1, "model", [1]])
def test_other_preferences_are_refused_with_their_row(preference):
    with pytest.raises(UserError, match="row 2 of the annotations has preference"):
        RecordedJudge([ROW | {"preference": 1.0}, ROW | {"output_2": "c", "preference": preference}])


def test_an_unknown_comparison_is_named():
    judge = RecordedJudge([ROW | {"preference": 1.2}])
    with pytest.raises(UserError, match="comparison '0' is not among the 1 recorded"):
        preferences(judge, ("a", "c"))
    with pytest.raises(UserError, match="no grades"):
        judge.grade([], None)


def test_rows_that_disagree_are_refused_and_rows_that_agree_are_not():
    twice = [ROW | {"preference": 1.2}, ROW | {"preference": 1.2}]
    assert preferences(RecordedJudge(twice), ("a", "b")) == [pytest.approx(0.2)]
    with pytest.raises(UserError, match="row 2 of the annotations has preference"):
        RecordedJudge([twice[0], ROW | {"preference": 1.4}])


def test_columns_are_wanted():
    with pytest.raises(UserError, match="row 1 of the annotations lacks 'output_2'"):
        RecordedJudge([{"instruction": "i", "output_1": "a", "preference": 1}])
    with pytest.raises(UserError, match="'output_1' is None"):
        RecordedJudge([ROW | {"output_1": None, "preference": 1}])


def test_the_version_names_the_annotators():
    rows = [ROW | {"preference": 1.2, "annotator": "weighted_alpaca_eval_gpt4_turbo"}]
    assert RecordedJudge(rows).version == "weighted_alpaca_eval_gpt4_turbo"
    assert RecordedJudge(rows, version="2024-02").version == "2024-02"
    assert RecordedJudge([ROW | {"preference": 1.2}]).version == "annotator not named"
    assert (RecordedJudge(rows).name, RecordedJudge(rows).kind) == ("recorded", "recorded")
