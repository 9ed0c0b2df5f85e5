"""IPO in the form of the direct-alignment scaling laws (arXiv 2406.02900): (beta h - 1)^2."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class BetaIPO(Frozen):
    """L = (beta h - 1)^2, h = log(pi/pi_ref)(y_w) - log(pi/pi_ref)(y_l), summed log-probabilities.

    The member g(z) = (z - 1)^2 of the family E[g(beta h)], beside DPO's g(z) = -log sigma(z) and SLiC's max(0, 1 - z).
    With beta = 2 tau it is beta^2 times the loss of the IPO paper (``IPO``): same minimiser, another gradient scale.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchor; the target margin is 1 / beta nats (beta; arXiv 2406.02900 sweeps it)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of (beta h - 1)^2; ``group.policy`` is [batch, 2]."""
        rewards = self.beta * group.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        return (chosen - rejected - 1.0).square().mean(), pair_metrics(group, rewards)
