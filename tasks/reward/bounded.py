"""Rewards in [0, 1], which values under a sigmoid and weights of a likelihood want."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.reward.function import open_reward_function
from tasks.reward.sources import FittedReward, GoldReward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.engine.refs import RewardRef
    from tasks.models.config import ModelConfig
    from tasks.reward.judged import Judged


class PlainReward(Frozen):
    """A fitted reward as it is, without bounds."""

    kind: Literal["plain"] = "plain"
    source: FittedReward = Field(FittedReward(), description="Where the reward comes from")

    def bound(self, reward: float) -> float:
        """``reward`` itself."""
        return reward


class SigmoidReward(Frozen):
    """sigma(r) of a fitted reward model, in (0, 1): what A-LoL's code maximises on HHA (arXiv 2305.14718)."""

    kind: Literal["sigmoid"] = "sigmoid"
    source: FittedReward = Field(
        FittedReward(), description="Whose score the sigmoid is taken of (paper: not standardised)"
    )

    def bound(self, reward: float) -> float:
        """The logistic function of ``reward``."""
        return 0.5 * (1.0 + math.tanh(0.5 * reward))


class RangeReward(Frozen):
    """(r - lowest) / (highest - lowest), held within [0, 1]: the tiny world's true reward on a scale of its own."""

    kind: Literal["range"] = "range"
    source: GoldReward = Field(GoldReward(), description="Where the reward comes from")
    lowest: float = Field(-2.0, ge=-1e6, le=1e6, description="Reward that counts as 0, and all below (ours, tldr)")
    highest: float = Field(4.0, ge=-1e6, le=1e6, description="Reward that counts as 1, and all above (ours, tldr)")

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        if self.highest <= self.lowest:
            raise ValueError(f"highest {self.highest:g} must lie above lowest {self.lowest:g}")
        return self

    def bound(self, reward: float) -> float:
        """The place of ``reward`` in the range."""
        return min(1.0, max(0.0, (reward - self.lowest) / (self.highest - self.lowest)))


BoundedReward = Annotated[SigmoidReward | RangeReward, Field(discriminator="kind")]
AnyReward = Annotated[PlainReward | SigmoidReward | RangeReward, Field(discriminator="kind")]


def open_bounded(
    reward: PlainReward | SigmoidReward | RangeReward, fitted: Sequence[RewardRef], model: ModelConfig
) -> Callable[[Sequence[Judged]], list[float]]:
    """A function from responses to their rewards, bounded as ``reward`` says.

    Raises UserError if ``fitted`` are not as many as its source reads.
    """
    function = open_reward_function(reward.source, fitted, model)

    def rewards(batch: Sequence[Judged]) -> list[float]:
        return [reward.bound(value) for value in function.score(batch)["reward"]]

    return rewards
