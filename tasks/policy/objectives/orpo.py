"""ORPO: Odds Ratio Preference Optimization (Hong et al. 2024, arXiv 2403.07691)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.length import per_token
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup

LARGEST = -1e-6
"""Log of the largest probability whose odds are taken: a certain response has none."""


class ORPO(Frozen):
    """L = -log p(y_w) - lambda log sigma(log [p(y_w) / (1 - p(y_w))] - log [p(y_l) / (1 - p(y_l))]).

    p(y) = exp(log pi(y|x) / |y|) is the geometric mean of the tokens' probabilities. No reference.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    odds_ratio_weight: float = Field(
        0.5, ge=0.0, le=100.0, description="Weight of the odds ratio (lambda; paper 0.1 to 0.25; 0.5 is ours)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` and ``group.lengths`` are [batch, 2]. Rewards are the log-odds."""
        from torch import log1p
        from torch.nn.functional import logsigmoid

        average = per_token(group.policy, group.lengths)
        bounded = average.clamp(max=LARGEST)
        log_odds = bounded - log1p(-bounded.exp())
        chosen, rejected = log_odds.unbind(dim=1)
        loss = -average[:, 0] - self.odds_ratio_weight * logsigmoid(chosen - rejected)
        return loss.mean(), pair_metrics(group, log_odds)
