"""VPO: Value-Incentivized Preference Optimization (Cen et al. 2024, arXiv 2405.19320)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.first_pair import first_pair
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup

SIGNS = {"optimistic": 1.0, "pessimistic": -1.0}
CALIBRATION_COLUMNS = {"chosen": 0, "samples": 2}


class VPO(Frozen):
    """DPO with the reward biased by its own optimal value: upwards to explore, downwards to stay safe.

    L = -log sigma(beta h) + sign alpha beta log(pi/pi_ref)(y), y ~ pi_cal, h DPO's statistic, summed log-probabilities.
    The paper's value term -sign alpha J*(r) takes this form because, with r centred so that E_cal[r] = 0,
    J*(r) = -beta E_cal[log(pi_r/pi_ref)]. Optimistic (online) pushes probability away from pi_cal, pessimistic
    (offline) pulls it towards pi_cal; with chosen responses for y the latter is DPO with a likelihood term, and
    alpha = 0 is DPO.

    Both terms are means over the batch, where the paper sums the first over its data set: alpha here is the paper's
    divided by the number of pairs. The optimistic term has no lower bound; ``largest_fall`` bounds it.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference",)

    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Strength of the KL anchor (beta; 0.1 as for DPO)")
    alpha: float = Field(
        0.1, ge=0.0, le=100.0, description="Strength of the value term (alpha; over the batch mean; 0.1 is ours)"
    )
    sign: Literal["optimistic", "pessimistic"] = Field(
        "optimistic", description="Optimistic for online exploration, pessimistic for fixed pairs"
    )
    calibration: Literal["samples", "chosen"] = Field(
        "samples", description="Responses of pi_cal: a third of every group (column 2), or the chosen ones (column 0)"
    )
    largest_fall: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="Optimism stops once a calibration response is so many nats below the reference; 0: never (paper)",
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` is [batch, 3], or [batch, 2] where chosen responses calibrate."""
        from torch.nn.functional import logsigmoid

        pair = first_pair(group)
        rewards = self.beta * pair.log_ratio()
        chosen, rejected = rewards.unbind(dim=1)
        calibration = group.log_ratio()[:, CALIBRATION_COLUMNS[self.calibration]]
        bounded = calibration.clamp(min=-self.largest_fall) if self.largest_fall else calibration
        value = SIGNS[self.sign] * self.alpha * self.beta * bounded
        metrics = pair_metrics(pair, rewards) | {"vpo/calibration_log_ratio": calibration.detach().mean()}
        return (value - logsigmoid(chosen - rejected)).mean(), metrics
