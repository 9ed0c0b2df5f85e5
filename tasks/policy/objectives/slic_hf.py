"""SLiC-HF: Sequence Likelihood Calibration with Human Feedback (Zhao et al. 2023, arXiv 2305.10425)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class SLiCHF(Frozen):
    """L = max(0, delta - log pi(y_w) + log pi(y_l)) - lambda log pi(y_w): the method itself, without a reference.

    Log-probabilities are sums. The second term is the cross-entropy regulariser on the chosen response, as in SimPO's
    table of objectives; ``SLiCHinge`` is the hinge on DPO's statistic, without it.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    margin: float = Field(
        1.0, ge=0.0, le=1000.0, description="Margin of log-probabilities, nats a response (delta; paper 1)"
    )
    likelihood_weight: float = Field(
        0.05,
        ge=0.0,
        le=100.0,
        description="Weight of the chosen response's likelihood (lambda; SimPO sweeps 0.1 to 10)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import relu

        chosen, rejected = group.policy.unbind(dim=1)
        loss = relu(self.margin - chosen + rejected) - self.likelihood_weight * chosen
        return loss.mean(), pair_metrics(group, group.policy)
