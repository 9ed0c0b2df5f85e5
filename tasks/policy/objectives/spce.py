"""SPCE: the soft-preference cross-entropy of Online Self-Preferring models (Zhai et al. 2024, arXiv 2405.14103)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class SPCE(Frozen):
    """DPO on soft labels: L = -p log sigma(beta Delta) - (1 - p) log sigma(-beta Delta).

    p (column ``strength``) is the probability that the first response is better, and constant. The minimum lies at
    beta Delta = logit(p), finite where labels are not certain; p = 1 is DPO, p = 1/2 pulls Delta to 0. The paper's text
    was not at hand: this is the cross-entropy that its name says, between p and the Bradley-Terry probability.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)
    columns_needed: ClassVar[tuple[str, ...]] = ("strength",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchor (beta; paper's value not at hand; 0.1 as for DPO)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` is [batch, 2], ``strength`` [batch] in [0, 1]."""
        from torch.nn.functional import logsigmoid

        rewards = self.beta * group.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        margin, strength = chosen - rejected, group.columns["strength"].detach()
        loss = -strength * logsigmoid(margin) - (1.0 - strength) * logsigmoid(-margin)
        certainty = (strength - 0.5).abs().mean()
        return loss.mean(), pair_metrics(group, rewards) | {"spce/certainty": certainty}
