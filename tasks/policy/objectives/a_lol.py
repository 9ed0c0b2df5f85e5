"""A-LoL: Advantage-Leftover Lunch RL (Baheti et al. 2023, arXiv 2305.14718), its four variants.

A whole response is one action. The gradient is -E[(R - V_ref) (pi / pi_ref) grad ln pi] over given responses of
positive advantage (the paper's equation); each class is one reading of the importance ratio. All sums are over tokens.
The published code clamps negative advantages at 0 except in one branch of its reference-free variant, where they would
push likelihood down; here all variants clamp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
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

CLIP = Field(
    0.9,
    ge=0.0,
    le=1e6,
    description="Half width of the ratio's range (ppo_clip; HHA 0.9: 0.1 to 1.9; a large one: unclipped, as elsewhere)",
)


class ALoL(Frozen):
    """L = mean[A+ clip(rho, 1 - eps, 1 + eps) NLL], rho = pi(y|x) / pi_ref(y|x) of the whole response, constant."""

    weight: ClassVar[Weight] = "advantage"

    clip: float = CLIP

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows. Logs ``ratio_clip_fraction``: exp of a sum saturates soon where responses are long."""
        ratios = batch.ratio()
        loss, metrics = weighted_likelihood(batch, batch.positive_advantages * clipped(ratios, self.clip))
        return loss, metrics | {"ratio_clip_fraction": share_clipped(ratios, self.clip)}


class ReferenceFreeALoL(Frozen):
    """A-LoL (ref. free): L = mean[A+ NLL], the ratio taken as 1."""

    weight: ClassVar[Weight] = "advantage"

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows."""
        return weighted_likelihood(batch, batch.positive_advantages)


class TokenALoL(Frozen):
    """A-LoL sequence: L = mean[A+ sum_t clip(rho_t, 1 - eps, 1 + eps) nll_t], one ratio a token."""

    weight: ClassVar[Weight] = "advantage"

    clip: float = CLIP

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``ratio_clip_fraction`` is over tokens."""
        from torch import arange

        ratios = batch.token_ratios()
        weights = batch.positive_advantages.detach()
        loss = -(weights * (clipped(ratios, self.clip) * batch.log_probs).sum(-1)).mean()
        inside = arange(ratios.shape[1], device=ratios.device)[None, :] < batch.lengths[:, None]
        held = {"ratio_clip_fraction": share_clipped(ratios[inside], self.clip)}
        return loss, likelihood_metrics(batch, weights) | held


class KLALoL(Frozen):
    """A-LoL KL: L = mean[A+ NLL] + beta mean[log pi(y|x) - log pi_ref(y|x)] on the given responses.

    The paper's equation has a ratio of log-probabilities, which a reviewer queried; this is the code's difference.
    """

    weight: ClassVar[Weight] = "advantage"

    beta: float = Field(
        0.01, ge=0.0, le=100.0, description="Weight of the log-ratio (kl_beta; the paper's value is not known, ours)"
    )

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows."""
        loss, metrics = weighted_likelihood(batch, batch.positive_advantages)
        return loss - self.beta * (batch.nll + batch.reference.sum(-1)).mean(), metrics
