"""Reward functions: numbers for responses, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tasks.reward.judged import Judged
from tasks.reward.sources import (
    CodeTestsReward,
    FittedReward,
    NoisyGoldReward,
    PairwiseReward,
    RewardAndCost,
    RewardSource,
)

if TYPE_CHECKING:
    from tasks.engine.refs import RewardRef
    from tasks.models.config import ModelConfig

__all__ = ["Judged", "RewardFunction", "RewardSource", "open_reward_function"]


class RewardFunction(Protocol):
    """Gives every response of a batch numbers; equal responses get equal numbers."""

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Columns of numbers in the batch's order: ``reward``, and by name what else is known.

        Raises UserError for a prompt that it cannot judge.
        """
        ...


def open_reward_function(source: RewardSource, fitted: Sequence[RewardRef], model: ModelConfig) -> RewardFunction:
    """The reward function that ``source`` describes; ``fitted`` are the reward models it reads, if any.

    Of ``model`` the number format and the attention kernel count. Raises UserError if ``fitted`` are too few or too
    many for ``source``.
    """
    if isinstance(source, RewardAndCost):
        return _reward_and_cost(source, fitted, model)
    if isinstance(source, FittedReward):
        from tasks.reward.fitted import FittedRewards

        return FittedRewards.opened(source, fitted, model)
    if isinstance(source, NoisyGoldReward):
        from tasks.reward.noisy_gold import NoisyGoldRewards

        return NoisyGoldRewards(source, fitted)
    if isinstance(source, CodeTestsReward):
        from tasks.reward.code_tests import CodeTestsRewards

        return CodeTestsRewards(source, fitted)
    if isinstance(source, PairwiseReward):
        from tasks.reward.beating import PairwiseRewards

        return PairwiseRewards(source, fitted, model)
    from tasks.reward.gold import GoldRewards

    return GoldRewards(source, fitted)


def _reward_and_cost(source: RewardAndCost, fitted: Sequence[RewardRef], model: ModelConfig) -> RewardFunction:
    from tasks.reward.constrained import RewardsAndCosts

    split = max(0, len(fitted) - source.cost_members)
    reward = open_reward_function(source.reward, fitted[:split], model)
    return RewardsAndCosts(reward, open_reward_function(source.cost, fitted[split:], model))
