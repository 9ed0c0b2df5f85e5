"""INPO: Iterative Nash Policy Optimization (Zhang et al. 2024, arXiv 2407.00617)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class INPO(Frozen):
    """One step of online mirror descent against the current policy, as a squared loss on pairs sampled from it.

    L = (h - 1 / (2 eta))^2, h = s(y_w) - s(y_l), s(y) = log pi - (tau/eta) log pi_ref - (1 - tau/eta) log pi_t, summed
    log-probabilities. pi_t (``previous``) is frozen as the round begins and has sampled the pairs; its minimiser is
    pi_{t+1} ~ exp(P(y > pi_t) / eta) pi_ref^(tau/eta) pi_t^(1 - tau/eta). In the first round, where pi_t = pi_ref, it
    is IPO with tau = eta. The logged rewards are eta s(y), so their margin has the target 1/2.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference", "previous")

    eta: float = Field(
        0.1,
        ge=1e-4,
        le=100.0,
        description="Inverse learning rate of mirror descent; the target margin is 1 / (2 eta) nats a response "
        "(eta; paper 0.005, which short responses cannot reach; 0.1 is ours)",
    )
    tau_eta_ratio: float = Field(
        1.0 / 3.0,
        ge=0.0,
        le=1.0,
        description="Strength of the KL to the reference over eta (tau/eta; paper 1/3; 0: INPO without KL)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows of (h - 1 / (2 eta))^2; ``group.policy`` is [batch, 2]."""
        to_reference, to_previous = group.log_ratio("reference"), group.log_ratio("previous")
        statistic = self.tau_eta_ratio * to_reference + (1.0 - self.tau_eta_ratio) * to_previous
        chosen, rejected = statistic.unbind(dim=1)
        loss = (chosen - rejected - 1.0 / (2.0 * self.eta)).square()
        return loss.mean(), pair_metrics(group, self.eta * statistic)
