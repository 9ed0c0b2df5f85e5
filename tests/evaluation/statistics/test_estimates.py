import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.proportion import proportion_confint

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import METRICS, metric_range
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.statistics.intervals import Identical, Wilson
from tasks.evaluation.statistics.noise import Noise

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
"""Paired differences in hours of sleep, Student 1908."""


def wilson(wins: int, n: int) -> Wilson:
    share = wins / n
    return Wilson(share, Noise(((share * (1 - share) / n, 10**9),)), 0.0, 1.0)


def test_students_sleep_data_with_one_seed():
    found = estimate([SLEEP])
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-6)
    assert found.p_value(0.0) == pytest.approx(0.00283289, abs=1e-7)
    assert (found.n_seeds, found.n_prompts) == (1, 10)
    assert "one seed" in found.method


def test_identical_prompts_leave_the_t_interval_over_seeds():
    found = estimate(np.repeat(np.array(SLEEP)[:, None], 4, axis=1))
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_of_newcombe_1998(wins, n, low, high):
    assert wilson(wins, n).limits(0.05) == pytest.approx((low, high), abs=6e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 400), st.floats(0.01, 0.5), st.data())
def test_wilson_agrees_with_statsmodels_and_with_its_own_p_value(n, alpha, data):
    wins = data.draw(st.integers(1, n - 1))
    low, high = wilson(wins, n).limits(alpha)
    assert (low, high) == pytest.approx(proportion_confint(wins, n, alpha, method="wilson"), abs=1e-6)
    assert wilson(wins, n).p_value(low) == pytest.approx(alpha, rel=1e-3)
    assert wilson(wins, n).p_value(high) == pytest.approx(alpha, rel=1e-3)


def test_nothing_of_twenty_has_the_exact_upper_limit():
    assert Identical(0.0, 20, 0.0, 1.0).limits(0.05) == pytest.approx((0.0, 0.16843), abs=1e-5)
    assert Identical(0.0, 20, 0.0, 1.0).p_value(0.16843) == pytest.approx(0.05, abs=1e-4)
    assert Identical(0.0, 20, 0.0, 1.0).p_value(0.0) == 1.0


def test_all_wins_on_few_prompts_are_not_a_certain_win():
    found = estimate(np.ones((3, 4)), bounds=(0.0, 1.0))
    assert found.high == 1.0
    assert found.low < 0.5
    assert "seed noise not seen" in found.method
    assert estimate(np.ones((3, 250)), bounds=(0.0, 1.0)).low > 0.98


def test_one_value_has_no_interval():
    found = estimate([[0.3]])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.p_value(0.0) == 1.0
    bounded = estimate([[0.3]], bounds=(0.0, 1.0))
    assert (bounded.low, bounded.high) == (0.0, 1.0)
    assert bounded.method == "one value: no interval"


@pytest.mark.parametrize("bad", [[], [1.0, 2.0], [[1.0, math.nan]], [[]]])
def test_what_is_not_a_finite_table_is_refused(bad):
    with pytest.raises(UserError, match="finite values"):
        estimate(bad)


def test_values_outside_the_metric_s_range_are_refused():
    with pytest.raises(UserError, match=r"outside the metric's range \[0, 1\]"):
        estimate([[0.2, 1.2]], bounds=(0.0, 1.0))


shares = arrays(np.float64, (3, 8), elements=st.sampled_from([0.0, 0.5, 1.0]))


@settings(max_examples=80, deadline=None)
@given(shares, st.floats(0.01, 0.99), st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_and_p_value_say_the_same(values, threshold, level):
    found = estimate(values, level=level, bounds=(0.0, 1.0))
    assert 0.0 <= found.low <= found.mean <= found.high <= 1.0
    excluded = threshold < found.low or threshold > found.high
    p = found.p_value(threshold)
    assert excluded == (p < 1 - level) or p == pytest.approx(1 - level, rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(shares)
def test_mirroring_wins_mirrors_the_interval(values):
    there = estimate(values, bounds=(0.0, 1.0))
    back = estimate(1.0 - values, bounds=(0.0, 1.0))
    assert (back.low, back.high) == pytest.approx((1 - there.high, 1 - there.low), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (3, 6), elements=st.floats(-5, 5)))
def test_more_certainty_takes_a_wider_interval(values):
    narrow, wide = estimate(values, level=0.8), estimate(values, level=0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_win_rates_of_binary_outcomes_cover_with_three_seeds():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        chance = 0.7 + rng.uniform(-0.1, 0.1, (3, 1)) + rng.uniform(-0.15, 0.15, (1, 80))
        found = estimate((rng.random((3, 80)) < chance).astype(float), bounds=(0.0, 1.0))
        hits += found.low <= 0.7 <= found.high
    assert hits / 400 >= 0.93


def test_every_named_metric_has_a_range_and_a_baseline_suffix_keeps_it():
    assert all(metric.lowest < metric.highest for metric in METRICS.values())
    assert metric_range("win_rate_vs_sft") == (0.0, 1.0)
    assert metric_range("gold_reward") == metric_range("no_such_metric") == (-math.inf, math.inf)
