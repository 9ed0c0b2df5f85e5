"""SPPO: Self-Play Preference Optimization (Wu et al. 2024, arXiv 2405.00675)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class SPPO(Frozen):
    """L = [log(pi/pi_t)(y) - eta (P(y > pi_t) - 1/2)]^2, averaged over the responses of a group.

    pi_t (``previous``) is frozen as the round begins and has sampled the responses; P(y > pi_t) is estimated by how
    often y wins against the other samples of its prompt (column ``win_rates``), which takes all their comparisons. The
    1/2 stands for the logarithm of pi_t's normaliser; there is no KL to the first policy. ``eta`` is the inverse of
    INPO's.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("previous",)
    columns_needed: ClassVar[tuple[str, ...]] = ("win_rates",)

    eta: float = Field(
        10.0,
        ge=1e-2,
        le=1e5,
        description="Step size: nats of log-ratio a unit of win rate (eta; paper 1000, which short responses cannot "
        "reach; 10 is ours)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows and responses; ``group.policy`` and ``win_rates`` are [batch, group], the latter in [0, 1]."""
        log_ratio = group.log_ratio("previous")
        target = self.eta * (group.columns["win_rates"].detach() - 0.5)
        return (log_ratio - target).square().mean(), {
            "sppo/step": log_ratio.detach().abs().mean(),
            "sppo/target_step": target.abs().mean(),
            "log_probs/response": group.policy.detach().mean(),
        }
