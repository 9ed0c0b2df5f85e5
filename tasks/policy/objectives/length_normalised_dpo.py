"""LN-DPO: DPO on log-ratios a token, the length-normalised baseline of SimPO's authors (arXiv 2405.14734)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.length import per_token
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class LengthNormalisedDPO(Frozen):
    """L = -log sigma(beta [log(pi/pi_ref)(y_w) / |y_w| - log(pi/pi_ref)(y_l) / |y_l|])."""

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        2.0, ge=1e-3, le=100.0, description="Scale of the log-ratio a token (beta; SimPO's 2, as lengths divide alike)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` and ``group.lengths`` are [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * per_token(group.log_ratio(), group.lengths)
        chosen, rejected = rewards.unbind(dim=1)
        return -logsigmoid(chosen - rejected).mean(), pair_metrics(group, rewards)
