"""Reward shaping by statistics of the rewards seen so far: baselines of PAR (arXiv 2502.18770, Table 1).

``state`` holds the statistics (JSON numbers, empty at first). The current batch is counted before it is shaped, as in
the official code, so the first batch is shaped by itself. Every ``scores`` is [rows] and comes back so; ``anchors`` are
not read. The official code keeps statistics a process; here they are those of the whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, float]

NO_SPREAD = 1e-8
"""A standard deviation or range up to this is taken for none."""


class MeanStd(Frozen):
    """(r - mu) / s with the running mean and standard deviation (population); 0 while all rewards are equal."""

    kind: Literal["mean_std"] = "mean_std"
    anchors_needed: ClassVar[int] = 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Standardised rewards."""
        seen = count_moments(state, scores)
        deviation = deviation_of(seen)
        if deviation <= NO_SPREAD:
            return scores.new_zeros(scores.shape), seen
        return ((scores.double() - seen["mean"]) / deviation).to(scores.dtype), seen


class ClipToDeviation(Frozen):
    """Clip: r held within one running standard deviation (population) of the running mean."""

    kind: Literal["clip"] = "clip"
    anchors_needed: ClassVar[int] = 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """clip(r, mu - s, mu + s)."""
        seen = count_moments(state, scores)
        deviation = deviation_of(seen)
        return scores.clamp(seen["mean"] - deviation, seen["mean"] + deviation), seen


class MinMax(Frozen):
    """(r - min) / (max - min) over all rewards seen, in [0, 1]; 0 while all are equal.

    The scale shrinks as the range grows: rewards of different iterations do not compare.
    """

    kind: Literal["min_max"] = "min_max"
    anchors_needed: ClassVar[int] = 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Rewards as a share of the range seen so far."""
        lowest = min(state.get("lowest", float("inf")), float(scores.min()))
        highest = max(state.get("highest", float("-inf")), float(scores.max()))
        seen = {"lowest": lowest, "highest": highest}
        if highest - lowest <= NO_SPREAD:
            return scores.new_zeros(scores.shape), seen
        return ((scores.double() - lowest) / (highest - lowest)).to(scores.dtype), seen


class ScaledVanilla(Frozen):
    """r / s0 with s0 the standard deviation (population) of the first batch: not in the paper.

    PAR's rewards lie in (0, 1) and vanilla ones do not, so one KL coefficient means less KL under vanilla than under
    PAR; this arm takes that difference away and stays unbounded. s0 is 1 if the first batch has one reward only.
    """

    kind: Literal["scaled_vanilla"] = "scaled_vanilla"
    anchors_needed: ClassVar[int] = 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Rewards in units of the initial standard deviation."""
        first = state or {"deviation": deviation_of(count_moments({}, scores))}
        return scores / (first["deviation"] if first["deviation"] > NO_SPREAD else 1.0), first


def count_moments(state: State, scores: Tensor) -> State:
    """Count ``scores`` in: ``count``, ``mean`` and ``squares`` (the sum of squared distances from the mean).

    Merges batches without cancellation (Chan et al. 1979); the order of batches matters to rounding only.
    """
    values = scores.double()
    new, mean = len(values), float(values.mean())
    squares = float((values - mean).square().sum())
    old = state.get("count", 0.0)
    away = mean - state.get("mean", 0.0)
    total = old + new
    return {
        "count": total,
        "mean": state.get("mean", 0.0) + away * new / total,
        "squares": state.get("squares", 0.0) + squares + away**2 * old * new / total,
    }


def deviation_of(state: State) -> float:
    """Standard deviation (population) of what ``count_moments`` counted."""
    return float((state["squares"] / state["count"]) ** 0.5)
