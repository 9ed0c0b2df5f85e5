import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.frontier import frontier_points, matched_kl_gap, mean_height, reward_at
from tasks.evaluation.scores import concat_scores, score_rows

PROMPTS = 40


def frontier(rng, kls, height, *, noise=0.5):
    """Points with mean KL exactly ``kls`` and mean reward exactly ``height(kl)``, noisy per prompt."""
    kl = rng.gamma(4.0, size=(len(kls), PROMPTS))
    kl = kl / kl.mean(axis=1, keepdims=True) * np.array(kls)[:, None]
    reward = noise * rng.normal(size=kl.shape)
    reward += np.array([height(k) for k in kls])[:, None] - reward.mean(axis=1, keepdims=True)
    return kl, reward


def test_reward_at_a_point_and_half_way_between():
    kl, reward = frontier(np.random.default_rng(0), [0.0, 1.0, 3.0], lambda k: k**2)
    at = reward_at(kl, reward, np.array([0.0, 1.0, 2.0, 3.0])).mean(axis=1)
    assert at == pytest.approx([0.0, 1.0, 5.0, 9.0])


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 100))
def test_order_of_points_does_not_matter(order, seed):
    kl, reward = frontier(np.random.default_rng(seed), [0.1, 0.5, 2.0, 2.5], np.sqrt)
    grid = np.linspace(0.1, 2.5, 7)
    there = reward_at(kl, reward, grid)
    assert np.allclose(there, reward_at(kl[list(order)], reward[list(order)], grid))


def test_two_settings_that_gave_the_same_run_do_not_divide_by_zero():
    kl, reward = frontier(np.random.default_rng(1), [0.0, 1.0], lambda k: k)
    kl, reward = np.vstack([kl, kl[1:]]), np.vstack([reward, reward[1:]])
    assert reward_at(kl, reward, np.array([0.5, 1.0])).mean(axis=1) == pytest.approx([0.5, 1.0])


def test_mean_height_of_a_straight_frontier_is_its_middle():
    kl, reward = frontier(np.random.default_rng(2), [0.0, 4.0], lambda k: 2 * k)
    assert mean_height(kl, reward, 0.0, 4.0).mean() == pytest.approx(4.0)
    assert mean_height(kl, reward, 1.0, 2.0).mean() == pytest.approx(3.0)


def test_gap_is_vertical_at_equal_kl_and_not_along_settings():
    rng = np.random.default_rng(3)
    better = [frontier(rng, [0.0, 1.0, 2.0], lambda k: k + 0.5) for _ in range(2)]
    worse = [frontier(rng, [0.5, 3.0, 4.0], lambda k: k) for _ in range(2)]
    gap, shared = matched_kl_gap(
        [k for k, _ in better], [r for _, r in better], [k for k, _ in worse], [r for _, r in worse]
    )
    assert gap.shape == (2, PROMPTS)
    assert gap.mean() == pytest.approx(0.5)
    assert shared == pytest.approx((0.5, 2.0))


def test_spread_over_prompts_is_that_of_the_interpolated_mean():
    rng = np.random.default_rng(4)
    kl, reward = frontier(rng, [0.0001, 1.0, 2.0], lambda k: 3 * k, noise=0.3)
    error = reward_at(kl, reward, np.array([1.5]))[0].std(ddof=1) / PROMPTS**0.5
    redrawn = []
    for _ in range(2000):
        pick = rng.integers(0, PROMPTS, PROMPTS)
        redrawn.append(reward_at(kl[:, pick], reward[:, pick], np.array([1.5]))[0].mean())
    assert error == pytest.approx(np.std(redrawn), rel=0.1)


def test_frontiers_apart_in_kl_are_refused():
    rng = np.random.default_rng(5)
    low, high = frontier(rng, [0.0, 1.0], np.sqrt), frontier(rng, [2.0, 3.0], np.sqrt)
    with pytest.raises(UserError, match="share no KL range"):
        matched_kl_gap([low[0]], [low[1]], [high[0]], [high[1]])


def test_points_are_means_a_seed_in_order_of_kl():
    parts = [
        score_rows(paper="p", arm=arm, seed=0, suite="s", metric=metric, values={"x": value, "y": value + 2})
        for arm, metric, value in (
            ("far", "kl", 4.0),
            ("far", "gold_reward", 1.0),
            ("near", "kl", 1.0),
            ("near", "gold_reward", 0.0),
        )
    ]
    points = frontier_points(concat_scores(parts), ["far", "near"], "s")
    expected = pd.DataFrame({"arm": ["near", "far"], "seed": [0, 0], "kl": [2.0, 5.0], "reward": [1.0, 2.0]})
    pd.testing.assert_frame_equal(points, expected)
