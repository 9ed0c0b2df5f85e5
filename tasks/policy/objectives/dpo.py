"""DPO: Direct Preference Optimization (Rafailov et al. 2023, arXiv 2305.18290)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class DPO(Frozen):
    """Logistic loss on the difference of implicit rewards, Eq. 7 of the paper.

    L = -log sigma(beta * Delta), Delta = log(pi/pi_ref)(y_w) - log(pi/pi_ref)(y_l), with
    log-probabilities summed over response tokens. It equals ln 2 while the policy is the reference.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchor (beta; paper default 0.1, TL;DR 0.5; official code 0.1-0.5)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of -log sigma(beta * Delta); ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        return -logsigmoid(chosen - rejected).mean(), pair_metrics(group, rewards)
