"""Bo2: best of two as a loss, the non-contrastive control of the online-offline gap (arXiv 2405.08448)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class Bo2(Frozen):
    """L = -log pi(y_w): the likelihood of the winner alone, summed over its tokens (Eq. 3, there without the minus).

    The rejected response is scored for the metrics, and has no gradient.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of -log pi(y_w), nats a response; ``group.policy`` is [batch, 2]."""
        return -group.policy[:, 0].mean(), pair_metrics(group, group.policy)
