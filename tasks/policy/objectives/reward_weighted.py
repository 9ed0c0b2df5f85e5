"""What A-LoL (arXiv 2305.14718) is compared with: likelihood weighted by nothing or the reward, and R-LoL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.a_lol import CLIP
from tasks.policy.objectives.rewarded_responses import (
    RewardedResponses,
    Weight,
    clipped,
    likelihood_metrics,
    share_clipped,
    weighted_likelihood,
)

if TYPE_CHECKING:
    from torch import Tensor


class ResponseLikelihood(Frozen):
    """NLL: L = mean[NLL], summed over tokens as in the other arms."""

    weight: ClassVar[Weight] = "none"

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows."""
        return weighted_likelihood(batch, batch.rewards.new_ones(batch.rewards.shape))


class WeightedBehaviourCloning(Frozen):
    """wBC: L = mean[R NLL]."""

    weight: ClassVar[Weight] = "reward"

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows."""
        return weighted_likelihood(batch, batch.rewards)


class RLoL(Frozen):
    """R-LoL: L = mean[R clip(rho, 1 - eps, 1 + eps) NLL], A-LoL with the reward in place of the advantage."""

    weight: ClassVar[Weight] = "reward"

    clip: float = CLIP

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows. Logs ``ratio_clip_fraction``."""
        ratios = batch.ratio()
        loss, metrics = weighted_likelihood(batch, batch.rewards * clipped(ratios, self.clip))
        return loss, metrics | {"ratio_clip_fraction": share_clipped(ratios, self.clip)}


class RewardGOLD(Frozen):
    """R-GOLD: L = mean[R sum_t max(p_t, u) nll_t], p_t the policy's own probability of the token, constant.

    GOLD (Pang and He 2021) with its lower bound u on the importance weight, and the reward of the whole response.
    """

    weight: ClassVar[Weight] = "reward"

    lower_bound: float = Field(0.1, ge=0.0, le=1.0, description="Least weight of a token (official code 0.1)")

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows."""
        probabilities = batch.log_probs.detach().exp().clamp(min=self.lower_bound)
        loss = -(batch.rewards.detach() * (probabilities * batch.log_probs).sum(-1)).mean()
        return loss, likelihood_metrics(batch, batch.rewards)
