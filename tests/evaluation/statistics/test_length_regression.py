"""The regression of log-ratios on length: known lines, the mean as the yardstick, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.length_regression import regress_on_length

RATIOS = st.lists(st.floats(-50.0, 50.0), min_size=2, max_size=12)


def test_a_line_through_the_origin_comes_back():
    found = regress_on_length([1.5, 3.0, 6.0], [5, 10, 20])
    assert (found.slope, found.r_squared) == (pytest.approx(0.3), pytest.approx(1.0))


def test_worked_example():
    # c = (1*1 + 2*4 + 3*4) / (1 + 4 + 9) = 21 / 14; errors -.5, 1, -.5; spread of (1, 4, 4) about 3 is 6
    found = regress_on_length([1.0, 4.0, 4.0], [1, 2, 3])
    assert (found.slope, found.r_squared) == (pytest.approx(1.5), pytest.approx(1.0 - 1.5 / 6.0))


@given(RATIOS, st.data())
def test_r_squared_is_at_most_one_and_no_other_slope_leaves_less_error(ratios, data):
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=len(ratios), max_size=len(ratios)))
    found = regress_on_length(ratios, lengths)
    assert found.r_squared <= 1.0 + 1e-12
    z, tokens = np.array(ratios), np.array(lengths, dtype=float)
    error = np.square(z - found.slope * tokens).sum()
    assert all(error <= np.square(z - (found.slope + step) * tokens).sum() + 1e-9 for step in (-0.1, 0.1))


def test_a_policy_that_has_not_moved_explains_nothing():
    assert regress_on_length([0.0, 0.0], [3, 4]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("ratios", "lengths", "message"),
    [([], [], "not shapes|not \\(0,\\)"), ([1.0], [1.0, 2.0], "log-ratios and lengths"), ([np.nan], [1.0], "finite")],
)
def test_what_cannot_be_regressed_is_refused(ratios, lengths, message):
    with pytest.raises(UserError, match=message):
        regress_on_length(ratios, lengths)
