"""Conservative DPO: DPO under the assumption that a known share of the labels is flipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class ConservativeDPO(Frozen):
    """DPO with smoothed labels, as in the official DPO code's ``preference_loss``.

    L = -(1 - eps) log sigma(beta * Delta) - eps log sigma(-beta * Delta). Its minimum lies at the finite
    margin beta * Delta = log((1 - eps) / eps), where DPO's lies at infinity; eps = 0 is DPO.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchor (beta; DPO paper default 0.1)",
    )
    label_smoothing: float = Field(
        0.1,
        ge=0.0,
        le=0.49,
        description="Assumed probability that a label is flipped (eps; in [0, 0.5) in the official DPO code, "
        "which leaves the value open; 0.1 is ours)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of the label-smoothed logistic loss; ``group.policy`` is [batch, 2]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        margin = chosen - rejected
        kept, flipped = -logsigmoid(margin), -logsigmoid(-margin)
        loss = (1.0 - self.label_smoothing) * kept + self.label_smoothing * flipped
        return loss.mean(), pair_metrics(group, rewards)
