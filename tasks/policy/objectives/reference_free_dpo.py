"""Reference-free DPO: the logistic preference loss without the reference model's term."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class ReferenceFreeDPO(Frozen):
    """L = -log sigma(beta * [log pi(y_w) - log pi(y_l)]), summed log-probabilities.

    An ablation of the official DPO code. Equal to DPO with a uniform reference, so nothing anchors the
    policy to where it started.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Scale of the log-probability difference (beta; DPO paper default 0.1)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of the logistic loss; ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.policy
        chosen, rejected = rewards.unbind(dim=1)
        return -logsigmoid(chosen - rejected).mean(), pair_metrics(group, rewards)
