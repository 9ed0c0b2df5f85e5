"""R-DPO: DPO with a penalty on the length of responses (Park et al. 2024, arXiv 2403.19159)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class LengthRegularisedDPO(Frozen):
    """L = -log sigma(beta h + alpha (|y_w| - |y_l|)), lengths in tokens, EOS counted.

    The sign is derived, since the papers' text was not at hand and the term is also found with a minus: the maximiser
    of E[r - alpha |y|] - beta KL has r = beta log(pi/pi_ref) + alpha |y| + const, and Bradley-Terry of this r is the
    loss above. So part of a long response's win is put down to its length, and the policy learns the rest. With the
    minus its minimiser would favour length.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Strength of the KL anchor (beta; 0.1 as for DPO)")
    alpha: float = Field(
        0.01, ge=0.0, le=10.0, description="Reward taken off a token of length (alpha; papers sweep it; 0: DPO)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of the logistic loss; ``group.policy`` and ``group.lengths`` are [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.log_ratio()
        chosen, rejected = (rewards + self.alpha * group.lengths).unbind(dim=1)
        return -logsigmoid(chosen - rejected).mean(), pair_metrics(group, rewards)
