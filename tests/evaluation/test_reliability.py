import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.calibration import brier_score, expected_calibration_error, probabilities, reliability_bins


def test_error_counted_by_hand():
    confidence, correct = [0.95, 0.85, 0.55, 0.45, 0.42], [1, 0, 1, 0, 1]
    by_hand = (1 * 0.05 + 1 * 0.85 + 1 * 0.45 + 2 * abs(0.5 - 0.435)) / 5
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(by_hand)
    assert expected_calibration_error(confidence, correct, 1) == pytest.approx(abs(0.6 - np.mean(confidence)))


def test_a_bin_holds_its_upper_edge_and_the_lowest_also_zero():
    found = reliability_bins([0.0, 0.5, 0.5000001, 1.0], [0, 1, 1, 1], 2)
    assert [(one.low, one.high, len(one.correct)) for one in found] == [(0.0, 0.5, 2), (0.5, 1.0, 2)]


def test_softmax_and_brier_score():
    p = probabilities([math.log(0.5) - 900, math.log(0.3) - 900, math.log(0.2) - 900])
    assert p == pytest.approx([0.5, 0.3, 0.2])
    assert brier_score(p, 0) == pytest.approx(0.25 + 0.09 + 0.04)
    assert brier_score([0.0, 1.0], 0) == 2.0
    assert p == pytest.approx([0.5, 0.3, 0.2]), "its argument stays as it was"


pairs = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 1)), min_size=1, max_size=40)


@given(pairs, st.integers(1, 20))
def test_error_is_a_share_and_at_least_the_overall_gap(answers, bins):
    confidence, correct = zip(*answers, strict=True)
    error = expected_calibration_error(confidence, correct, bins)
    assert abs(np.mean(correct) - np.mean(confidence)) - 1e-9 <= error <= 1.0
    assert sum(len(one.correct) for one in reliability_bins(confidence, correct, bins)) == len(answers)


@pytest.mark.parametrize(("confidence", "correct"), [([], []), ([0.5], [1, 0]), ([1.5], [1]), ([0.5], [0.5])])
def test_what_is_no_confidence_is_refused(confidence, correct):
    with pytest.raises(ValueError, match=r"wanted are|has to be"):
        expected_calibration_error(confidence, correct, 10)
