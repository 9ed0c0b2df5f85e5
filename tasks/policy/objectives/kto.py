"""KTO: Kahneman-Tversky Optimization (Ethayarajh et al. 2024, arXiv 2402.01306), on pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class KTO(Frozen):
    """Value of single responses against a reference point.

    With h = log(pi/pi_ref) of a response: L = lambda_D (1 - sigma(beta (h - z0))) for a desirable one and
    lambda_U (1 - sigma(beta (z0 - h))) for an undesirable one, averaged over responses. Here the chosen response of a
    pair is desirable and the rejected one undesirable, so a batch holds as many of each.

    z0 stands for KL(pi || pi_ref) and has no gradient. The paper estimates it from mismatched pairs (a prompt with
    another prompt's response), which a pair's scores do not hold; here it is the mean log-ratio over all responses of
    the batch, clamped at 0 as in the paper. Both are biased: neither set of responses was drawn from pi. A batch that
    is split into micro-batches has one z0 for each, as the paper has one a micro-batch.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Risk aversion, and the KL anchor (beta; 0.1 as for DPO)")
    desirable_weight: float = Field(
        1.0, ge=0.0, le=100.0, description="Weight of desirable responses (lambda_D; 1: as much as the other)"
    )
    undesirable_weight: float = Field(
        1.0, ge=0.0, le=100.0, description="Weight of undesirable responses (lambda_U; 1: as much as the other)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the 2 x batch responses; ``group.policy`` is [batch, 2]. Logs ``kto/reference_point``, nats."""
        log_ratio = group.log_ratio()
        reference_point = log_ratio.detach().mean().clamp(min=0.0)
        desirable, undesirable = (self.beta * (log_ratio - reference_point)).unbind(dim=1)
        gains = self.desirable_weight * (1.0 - desirable.sigmoid())
        losses = self.undesirable_weight * (1.0 - (-undesirable).sigmoid())
        metrics = pair_metrics(group, self.beta * log_ratio) | {"kto/reference_point": reference_point}
        return (gains + losses).mean() / 2.0, metrics
