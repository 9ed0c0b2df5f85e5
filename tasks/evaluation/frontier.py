"""The reward-KL frontier: what gold reward a method buys at each distance from the reference."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.scores import align
from tasks.evaluation.statistics.noise import Values

GRID = 33
"""Points at which two frontiers are compared across the KL range they share."""


def frontier_points(
    scores: pd.DataFrame, arms: Sequence[str], suite: str, reward: str = "gold_reward", kl: str = "kl"
) -> pd.DataFrame:
    """One row an arm and seed: ``arm``, ``seed``, ``kl`` (nats) and ``reward``, means over prompts, by
    rising KL."""
    rows = []
    for arm in arms:
        (kls, rewards), _ = align(scores, suite, [(arm, kl), (arm, reward)])
        rows.append(
            pd.DataFrame({"arm": arm, "seed": kls.index, "kl": kls.mean(axis=1), "reward": rewards.mean(axis=1)})
        )
    return pd.concat(rows, ignore_index=True).sort_values(["seed", "kl"], ignore_index=True)


def reward_at(kl: Values, reward: Values, grid: Values) -> Values:
    """Per-prompt reward of a frontier at KL values ``grid``, [grid, prompts].

    ``kl``, ``reward``: [points, prompts], one seed; ``grid``: [grid] nats, within the range of the
    points' mean KL. The mean over prompts is the straight line between the two neighbouring points (mean
    KL, mean reward). Single prompts are shifted by minus slope x (own KL - mean KL), the first-order
    effect of the KL being itself an average over these prompts: so their spread is that of the
    interpolated mean.
    """
    order = np.argsort(kl.mean(axis=1), kind="stable")
    kl, reward = kl[order], reward[order]
    at, height = kl.mean(axis=1), reward.mean(axis=1)
    right = np.clip(np.searchsorted(at, grid), 1, len(at) - 1)
    left = right - 1
    gap = at[right] - at[left]
    safe = np.where(gap > 0, gap, 1.0)
    weight = np.where(gap > 0, (grid - at[left]) / safe, 0.0)[:, None]
    slope = np.where(gap > 0, (height[right] - height[left]) / safe, 0.0)[:, None]
    from_left = reward[left] - slope * (kl[left] - at[left, None])
    from_right = reward[right] - slope * (kl[right] - at[right, None])
    return (1.0 - weight) * from_left + weight * from_right


def mean_height(kl: Values, reward: Values, low: float, high: float) -> Values:
    """Per-prompt mean reward of a frontier over KL in [low, high], [prompts]: area under it by the width."""
    grid = np.linspace(low, high, GRID)
    area = np.trapezoid(reward_at(kl, reward, grid), grid, axis=0)
    return np.asarray(area) / (high - low)


def matched_kl_gap(
    kl: Sequence[Values],
    reward: Sequence[Values],
    baseline_kl: Sequence[Values],
    baseline_reward: Sequence[Values],
) -> tuple[Values, tuple[float, float]]:
    """Frontier minus baseline frontier at equal KL: [seeds, prompts], and the KL range (nats) it is
    averaged over.

    Every argument has one [points, prompts] array a seed. The range is the widest that every seed's two
    frontiers cover.

    Raises:
        UserError: a frontier has a single point, or the frontiers share no KL range.
    """
    everything = [points.mean(axis=1) for points in (*kl, *baseline_kl)]
    low = max(float(at.min()) for at in everything)
    high = min(float(at.max()) for at in everything)
    if low >= high:
        raise UserError(
            f"the frontiers share no KL range (largest minimum {low:.3g}, smallest maximum {high:.3g} nats); "
            "add the common starting point (KL 0) or more settings to both"
        )
    gaps = [
        mean_height(k, r, low, high) - mean_height(base_k, base_r, low, high)
        for k, r, base_k, base_r in zip(kl, reward, baseline_kl, baseline_reward, strict=True)
    ]
    return np.stack(gaps), (low, high)
