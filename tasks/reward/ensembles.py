"""One reward of many: aggregates over the members of an ensemble (Coste et al. 2023, arXiv 2310.02743, section 3)."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, tensor

SMALLEST_DEVIATION = 1e-6


def standardised(scores: Tensor, means: Sequence[float], deviations: Sequence[float]) -> Tensor:
    """(score - mean) / deviation member by member: ``scores`` [members, rows], one mean and deviation a member.

    Without it the member of the largest scale rules the mean and the one of the lowest offset the minimum.
    """
    mean = tensor(means, dtype=scores.dtype, device=scores.device)
    deviation = tensor(deviations, dtype=scores.dtype, device=scores.device)
    return (scores - mean[:, None]) / deviation.clamp_min(SMALLEST_DEVIATION)[:, None]


def mean(scores: Tensor) -> Tensor:
    """Mean over members: [members, rows] -> [rows]."""
    return scores.mean(0)


def worst_case(scores: Tensor) -> Tensor:
    """Lowest member of each row (WCO): [members, rows] -> [rows]."""
    return scores.amin(0)


def disagreement(scores: Tensor, variance: Literal["population", "sample"] = "population") -> Tensor:
    """Variance over members: [members, rows] -> [rows]; 0 for one member."""
    correction = 1 if variance == "sample" and len(scores) > 1 else 0
    return scores.var(0, correction=correction)


def uncertainty_weighted(
    scores: Tensor, penalty: float, variance: Literal["population", "sample"] = "population"
) -> Tensor:
    """Mean less ``penalty`` times the variance, not the deviation (UWO): [members, rows] -> [rows].

    The paper and its best-of-n code divide the variance by the members k, its PPO code by k - 1 (``sample``).
    """
    return mean(scores) - penalty * disagreement(scores, variance)
