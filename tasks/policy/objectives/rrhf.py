"""RRHF: Rank Responses to align with Human Feedback (Yuan et al. 2023, arXiv 2304.05302), on pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.length import per_token
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class RRHF(Frozen):
    """L = max(0, avg(y_l) - avg(y_w)) - lambda log pi(y_w), avg(y) = log pi(y|x) / |y|, of a pair.

    The ranking loss has no margin; log pi of the second term is a sum over tokens, as in SimPO's table of objectives.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    likelihood_weight: float = Field(
        0.05,
        ge=0.0,
        le=100.0,
        description="Weight of the best response's likelihood (lambda; paper 1; SimPO sweeps it)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` and ``group.lengths`` are [batch, 2]."""
        from torch.nn.functional import relu

        average = per_token(group.policy, group.lengths)
        chosen, rejected = average.unbind(dim=1)
        likelihood = self.likelihood_weight * group.policy[:, 0]
        return (relu(rejected - chosen) - likelihood).mean(), pair_metrics(group, average)
