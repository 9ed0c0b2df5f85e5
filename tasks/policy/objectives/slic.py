"""SLiC as a direct alignment algorithm: a hinge on the implicit reward margin (arXiv 2305.10425)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class SLiCHinge(Frozen):
    """L = max(0, 1 - beta * h), h = log(pi/pi_ref)(y_w) - log(pi/pi_ref)(y_l), summed log-probabilities.

    This is the form of the direct-alignment scaling-laws paper; SLiC-HF itself compares log-probabilities
    without a reference and adds a likelihood term. ``hinge/active`` is the share of rows in [0, 1] that
    still have a gradient: while it is 1 the gradient is beta * grad h, and an optimiser that rescales
    gradients (Adam, RMSprop) makes runs of different beta identical.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Scale of the margin: rows stop counting at h = 1 / beta (beta; no single paper default, "
        "arXiv 2406.02900 sweeps it; 0.1 as for DPO)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of max(0, 1 - beta * h); ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import relu

        rewards = self.beta * group.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        loss = relu(1.0 - (chosen - rejected))
        active = (loss.detach() > 0).to(loss.dtype).mean()
        return loss.mean(), {**pair_metrics(group, rewards), "hinge/active": active}
