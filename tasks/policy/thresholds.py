"""Thresholds on the reward as quantiles of the reference policy's rewards."""

from tasks.engine.refs import Rewards
from tasks.engine.schema import UserError
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.filters import Threshold
from tasks.reward.scoring import read_rewards


def thresholds_at(method: PolicyGradient, rewards: Rewards, upper: float, lower: float) -> PolicyGradient:
    """``method`` with its filter's thresholds at the quantiles ``upper`` and ``lower`` (in [0, 1]) of ``rewards``.

    For the threshold arms of PF-PPO (arXiv 2409.06957, section 5.6). That thresholds are quantiles is ours: rewards of
    another reward model have another scale, quantiles have none. Raises UserError if the filter has no thresholds.
    """
    if not isinstance(method.filter, Threshold):
        raise UserError(f"filter {method.filter.kind} has no thresholds; choose filter.kind threshold")
    values = read_rewards(rewards)["reward"]
    found = {"upper": float(values.quantile(upper)), "lower": float(values.quantile(lower))}
    return method.model_copy(update={"filter": method.filter.model_copy(update=found)})
