import pytest

from tasks.engine.schema import UserError
from tasks.policy.steps.filter_choice import best_filter
from tasks.policy.steps.filters import KeepAll, RankWeights, Threshold

FILTERS = {
    "none": KeepAll(),
    "bon": RankWeights(scheme="best_of_n"),
    "top": Threshold(scheme="top"),
    "br": RankWeights(scheme="best_random"),
    "bw": RankWeights(scheme="best_worst"),
}


def test_the_best_r2_wins_unless_it_is_of_one_side():
    paper = {"none": 0.886, "bon": 0.99, "top": 0.98, "br": 0.922, "bw": 0.952}
    assert best_filter(paper, FILTERS) == "bw"
    assert best_filter({"none": 0.5, "br": 0.5}, FILTERS) == "none"


def test_without_a_filter_to_choose_it_says_so():
    with pytest.raises(UserError, match="none of the filters none, bon, top, br, bw"):
        best_filter({"bon": 0.9, "unknown": 1.0}, FILTERS)
