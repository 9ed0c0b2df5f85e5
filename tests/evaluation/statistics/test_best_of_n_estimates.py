from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.best_of_n import best_of_n_curve, best_of_n_gold, best_of_n_kl, rank_weights

PROXY, GOLD = [0.1, 0.9, 0.4, 0.7], [0.3, 0.2, 0.8, 0.6]
samples = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (3, n), elements=st.integers(0, 4).map(float)),
        arrays(np.float64, (3, n), elements=st.floats(-10, 10)),
    )
)


@pytest.mark.parametrize(
    ("n", "nats"), [(1, 0.0), (2, 0.193147), (4, 0.636294), (16, 1.835089), (64, 3.174508), (1024, 5.932448)]
)
def test_divergence(n, nats):
    assert best_of_n_kl(n) == pytest.approx(nats, abs=1e-6)


def test_divergence_of_a_uniform_score_is_exact():
    n, points = 4, (np.arange(1_000_000) + 0.5) / 1_000_000
    density = n * points ** (n - 1)
    assert np.mean(density * np.log(density)) == pytest.approx(float(best_of_n_kl(n)), abs=1e-5)


@pytest.mark.parametrize(("n", "gold"), [(1, 0.475), (2, 0.433333), (4, 0.2)])
def test_four_samples(n, gold):
    assert best_of_n_gold(PROXY, GOLD, n) == pytest.approx(gold, abs=1e-6)


def test_curve_over_prompts():
    curve = best_of_n_curve([PROXY, GOLD], [GOLD, GOLD], [1, 2, 4])
    assert curve.shape == (2, 3)
    assert curve[0] == pytest.approx([0.475, 0.433333, 0.2], abs=1e-6)
    assert curve[1, 2] == pytest.approx(0.8)


@given(samples)
def test_best_of_one_is_the_mean_and_best_of_all_the_best_ones(drawn):
    proxy, gold = drawn
    assert best_of_n_gold(proxy, gold, 1) == pytest.approx(gold.mean(axis=1), abs=1e-9)
    best = [rewards[scores == scores.max()].mean() for scores, rewards in zip(proxy, gold, strict=True)]
    assert best_of_n_gold(proxy, gold, proxy.shape[1]) == pytest.approx(best, abs=1e-9)


@given(samples, st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_order_of_samples_does_not_matter_even_with_ties(drawn, random, n):
    proxy, gold = drawn
    n = min(n, proxy.shape[1])
    order = list(range(proxy.shape[1]))
    random.shuffle(order)
    found = best_of_n_gold(proxy[:, order], gold[:, order], n)
    assert found == pytest.approx(best_of_n_gold(proxy, gold, n), abs=1e-9)


@given(samples, st.integers(1, 8))
def test_it_is_the_mean_over_all_subsets(drawn, n):
    proxy, gold = drawn[0][0], drawn[1][0]
    n = min(n, len(proxy))
    chosen = [np.array(subset) for subset in combinations(range(len(proxy)), n)]
    best = [gold[one][proxy[one] == proxy[one].max()].mean() for one in chosen]
    assert best_of_n_gold(proxy, gold, n) == pytest.approx(np.mean(best), abs=1e-9)


@given(st.integers(1, 20_000), st.data())
def test_weights_sum_to_one_for_large_counts_too(count, data):
    weights = rank_weights(count, data.draw(st.integers(1, count)))
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert weights.min() >= 0.0


@pytest.mark.parametrize("n", [0, 5])
def test_more_than_there_are_samples_is_refused(n):
    with pytest.raises(UserError, match=f"best of {n} cannot be estimated from 4"):
        best_of_n_gold(PROXY, GOLD, n)


def test_bad_rewards_are_refused():
    with pytest.raises(UserError, match="shapes"):
        best_of_n_gold(PROXY, GOLD[:3], 1)
    with pytest.raises(UserError, match="finite"):
        best_of_n_gold(PROXY, [0.0, np.nan, 0.0, 0.0], 1)
