import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.bootstrap import bootstrap_rows, clustered_mean, paired_difference

finite = st.floats(-5, 5)


@given(arrays(np.float64, 12, elements=finite), arrays(np.float64, 12, elements=finite))
def test_a_paired_difference_turns_its_sign_with_the_order(first, second):
    forward = paired_difference(first, second, resamples=50, method="percentile")
    backward = paired_difference(second, first, resamples=50, method="percentile")
    assert forward.value == pytest.approx(-backward.value)
    assert (forward.low, forward.high) == (pytest.approx(-backward.high), pytest.approx(-backward.low))
    assert forward.low - 1e-12 <= forward.high


def test_pairing_takes_the_difficulty_of_prompts_out():
    generator = np.random.default_rng(0)
    prompt = generator.normal(scale=5.0, size=300)
    first, second = prompt + 0.3 + generator.normal(size=300) * 0.1, prompt
    found = paired_difference(first, second)
    assert found.low < 0.3 < found.high
    assert found.high - found.low < 0.05
    assert found == paired_difference(first, second)
    assert found != paired_difference(first, second, seed=1)


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_intervals_cover_the_mean_of_a_skewed_sample_as_often_as_they_say(method):
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        found = paired_difference(generator.exponential(size=60), np.zeros(60), resamples=300, method=method)
        hits += found.low <= 1.0 <= found.high
    assert 175 <= hits <= 199


def test_rows_are_resampled_together():
    x = np.random.default_rng(2).normal(size=80)
    found = bootstrap_rows(lambda a, b: float(np.corrcoef(a, b)[0, 1]), [x, 2.0 * x], resamples=100)
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))
    slope = bootstrap_rows(lambda a: float(np.median(a)), [x], resamples=400, method="BCa")
    assert slope.low <= np.median(x) <= slope.high


def test_constants_have_an_interval_without_width_and_single_rows_have_none():
    assert paired_difference([1.0, 1.0], [0.0, 0.0]).low == 1.0
    alone = bootstrap_rows(lambda a: float(a.mean()), [[3.0]])
    assert alone.value == 3.0
    assert np.isnan([alone.low, alone.high, alone.standard_error]).all()
    pair = paired_difference([1.0], [0.0])
    assert pair.value == 1.0
    assert np.isnan([pair.low, pair.high]).all()


def test_seeds_that_differ_widen_the_clustered_interval():
    generator = np.random.default_rng(3)
    alike = generator.normal(size=(6, 100))
    apart = alike + 2.0 * generator.normal(size=(6, 1))
    narrow, wide = clustered_mean(alike, resamples=500), clustered_mean(apart, resamples=500)
    assert wide.standard_error > 3.0 * narrow.standard_error
    assert narrow.standard_error == pytest.approx(1.0 / np.sqrt(600), rel=0.4)
    assert wide.low <= apart.mean() <= wide.high
    assert wide == clustered_mean(apart, resamples=500)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan, 1.0], [1.0, 2.0])])
def test_rows_that_do_not_match_are_refused(first, second):
    with pytest.raises(UserError):
        paired_difference(first, second)


def test_a_table_is_wanted():
    with pytest.raises(UserError, match="seeds, prompts"):
        clustered_mean([1.0, 2.0])
