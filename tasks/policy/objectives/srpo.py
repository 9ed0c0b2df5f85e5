"""SRPO: Self-Improving Robust Preference Optimization (Choi et al. 2024, arXiv 2406.01660)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.first_pair import first_pair
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup

RESPONSES = ("y_w | x", "y_l | x", "y_w | x, y_l", "y_l | x, y_l", "y_w | x, y_w", "y_l | x, y_w")
"""The order of a group's columns: two answers to the prompt, then four revisions of a draft (behind the comma)."""


class SRPO(Frozen):
    """One squared loss for a policy pi(y|x) and its reviser pi(y|x, draft), which share their weights.

    With G(a) and D(a|b) the log-ratios to the reference of answer a and of a as a revision of b (summed):
    L_dag = [1/2 - beta (D(w|l) - D(l|l))]^2 + [1/2 - beta (D(w|w) - D(l|w))]^2,
    L_gen = [1/2 - (beta/2) (D(w|l) - D(l|w) + G(w) - G(l))]^2, L = (1 - alpha) L_gen + alpha L_dag.
    Derived from the min-max game of the paper, whose text was not at hand: its solution obeys
    p(y2 > y1) - 1/2 = beta [D(y2|y1) - D(y1|y1)] = (beta/2) [D(y2|y1) - D(y1|y2) + G(y2) - G(y1)], and a squared loss
    on binary labels has the same minimiser as one on p. alpha = 1 gives the policy no gradient of its own; alpha = 0
    leaves how G and D share the margin to where training starts.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Strength of the KL anchors (beta; paper's value not at hand; 0.1 as for IPO)",
    )
    alpha: float = Field(
        0.5, ge=0.0, le=1.0, description="Share of the reviser's loss (alpha; the ends are degenerate; 0.5 is ours)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of L; ``group.policy`` is [batch, 6] in the order of ``RESPONSES``."""
        log_ratio = group.log_ratio()
        won, lost, won_after_lost, lost_after_lost, won_after_won, lost_after_won = log_ratio.unbind(dim=1)
        generation = (self.beta / 2.0) * (won_after_lost - lost_after_won + won - lost)
        over_rejected = self.beta * (won_after_lost - lost_after_lost)
        over_chosen = self.beta * (won_after_won - lost_after_won)
        reviser_loss = (0.5 - over_rejected).square() + (0.5 - over_chosen).square()
        loss = (1.0 - self.alpha) * (0.5 - generation).square() + self.alpha * reviser_loss
        metrics = pair_metrics(first_pair(group), self.beta * log_ratio[:, :2]) | {
            "srpo/generation_margin": generation.detach().mean(),
            "srpo/revision_margin": (over_rejected + over_chosen).detach().mean() / 2.0,
        }
        return loss.mean(), metrics
