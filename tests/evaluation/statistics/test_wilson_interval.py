import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.wilson import wilson_interval

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n)))


@given(counts, st.floats(0.5, 0.999))
def test_it_lies_in_the_unit_interval_and_holds_the_share(count, level):
    successes, n = count
    low, high = wilson_interval(successes, n, level)
    assert 0.0 <= low <= successes / n <= high <= 1.0


@given(counts)
def test_failures_have_the_mirrored_interval(count):
    successes, n = count
    low, high = wilson_interval(successes, n)
    other_low, other_high = wilson_interval(n - successes, n)
    assert (other_low, other_high) == (pytest.approx(1.0 - high, abs=1e-9), pytest.approx(1.0 - low, abs=1e-9))


def test_half_of_gsm8k_is_known_to_2_7_points():
    low, high = wilson_interval(659.5, 1319)
    assert (high - low) / 2.0 == pytest.approx(0.027, abs=1e-4)


def test_eight_of_ten():
    assert wilson_interval(8, 10) == (pytest.approx(0.490162, abs=1e-6), pytest.approx(0.943318, abs=1e-6))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(UserError, match="0 <= successes <= n"):
        wilson_interval(successes, n)
