from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.metrics.code import PASS_AT
from tasks.evaluation.statistics.pass_at_k import pass_at_k


@pytest.mark.parametrize(
    ("samples", "passed", "k", "value"),
    [
        (10, 3, 1, 0.3),
        (10, 3, 5, 0.916667),
        (200, 13, 10, 0.497551),
        (5, 0, 5, 0.0),
        (5, 1, 5, 1.0),
        (200, 199, 1, 0.995),
    ],
)
def test_values_of_the_official_harness(samples, passed, k, value):
    assert pass_at_k(samples, passed, k) == pytest.approx(value, abs=5e-7)


@given(st.data())
def test_it_is_the_share_of_all_draws_that_hold_a_passing_sample(data):
    samples = data.draw(st.integers(1, 9))
    passed = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    draws = list(combinations(range(samples), k))
    share = sum(any(sample < passed for sample in draw) for draw in draws) / len(draws)
    assert pass_at_k(samples, passed, k) == pytest.approx(share)


@pytest.mark.parametrize(("samples", "passed", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0), (0, 0, 1)])
def test_too_few_samples_are_refused(samples, passed, k):
    with pytest.raises(UserError):
        pass_at_k(samples, passed, k)


def test_every_k_is_registered():
    assert all(find_metric(f"eval/human_eval/pass_at_{k}") is not None for k in PASS_AT)
