"""CPO: Contrastive Preference Optimization (Xu et al. 2024, arXiv 2401.08417)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class CPO(Frozen):
    """L = -log sigma(beta [log pi(y_w) - log pi(y_l)]) - lambda log pi(y_w), as SimPO's table of objectives has it.

    Log-probabilities are sums. Released code averages the second term over tokens: a smaller lambda here.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Scale of the difference of log-probabilities (beta)")
    likelihood_weight: float = Field(
        0.05, ge=0.0, le=100.0, description="Weight of the chosen response's likelihood (lambda; paper 1)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.policy
        chosen, rejected = rewards.unbind(dim=1)
        likelihood = self.likelihood_weight * group.policy[:, 0]
        return (-logsigmoid(chosen - rejected) - likelihood).mean(), pair_metrics(group, rewards)
