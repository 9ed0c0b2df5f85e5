"""XPO: Exploratory Preference Optimization (Xie et al. 2024, arXiv 2405.21046)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.first_pair import first_pair
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class XPO(Frozen):
    """DPO plus alpha log pi(y), y ~ pi_ref: exploration by making the reference's responses less likely.

    Column 2 holds a response of the reference policy. In the paper a pair is one response of the policy and one of the
    reference, which the term then reuses; that is the business of who samples, and here column 2 may be the same text.
    Its gradient is optimistic VPO's at alpha_VPO beta = alpha.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Strength of the KL anchor (beta; TRL 0.1)")
    alpha: float = Field(
        1e-3, ge=0.0, le=100.0, description="Strength of exploration (alpha; TRL 1e-5, the paper gives none; ours)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` is [batch, 3]."""
        from torch.nn.functional import logsigmoid

        pair = first_pair(group)
        rewards = self.beta * pair.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        exploration = self.alpha * group.policy[:, 2]
        metrics = pair_metrics(pair, rewards) | {"vpo/calibration_log_ratio": group.log_ratio()[:, 2].detach().mean()}
        return (exploration - logsigmoid(chosen - rejected)).mean(), metrics
