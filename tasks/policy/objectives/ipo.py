"""IPO: Identity Preference Optimization (Azar et al. 2023, arXiv 2310.12036)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class IPO(Frozen):
    """Squared distance of the log-ratio difference from a finite target, Eq. 17 of the paper.

    L = (h - 1 / (2 tau))^2, h = log(pi/pi_ref)(y_w) - log(pi/pi_ref)(y_l). Log-probabilities are *summed*
    over response tokens, as in the paper and the official DPO code; TRL divides each by its response's
    length, which gives tau another meaning. With beta = 2 tau this is (beta h - 1)^2 / beta^2, the form
    of the direct-alignment scaling-laws paper (arXiv 2406.02900) up to the factor 1 / beta^2: do not move
    a learning rate between the two.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    tau: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchor; the target margin is 1 / (2 tau) nats per response "
        "(tau; `beta` in the official DPO code, whose config leaves it open; 0.1 as for DPO)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of (h - 1 / (2 tau))^2; ``group.policy`` is [batch, 2]."""
        log_ratio = group.log_ratio()
        chosen, rejected = log_ratio.unbind(dim=1)
        loss = (chosen - rejected - 1.0 / (2.0 * self.tau)).square()
        return loss.mean(), pair_metrics(group, self.tau * log_ratio)
