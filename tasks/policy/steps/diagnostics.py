"""What every iteration logs about its rollouts; scalars under the names that ``train/`` goes in front of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.policy.steps.reduction import reduce
from tasks.policy.steps.token_rewards import ESTIMATORS, KLEstimator
from tasks.policy.steps.whitening import masked_moments

if TYPE_CHECKING:
    from torch import Tensor


def rollout_metrics(mask: Tensor, finished: Tensor, entropies: Tensor) -> dict[str, Tensor]:
    """``response_tokens``, ``finished``, ``entropy``.

    ``mask``: [rows, time] bool, real tokens; their mean number a response, EOS among them. ``finished``: [rows] bool;
    the share that ended in EOS. ``entropies``: [rows, time] float, nats of pi(. | x, y_<t); the mean a token.
    """
    return {
        "response_tokens": mask.sum(-1).float().mean(),
        "finished": finished.float().mean(),
        "entropy": reduce(entropies, mask, "token_mean"),
    }


def kl_metrics(
    log_probs: Tensor,
    reference_log_probs: Tensor,
    mask: Tensor,
    estimators: Iterable[KLEstimator] = ("k1", "k2", "k3"),
) -> dict[str, Tensor]:
    """``kl_<estimator>``: nats to the reference, summed over a response's masked tokens, mean over rows.

    All [rows, time]. Tokens must have been drawn from the policy of ``log_probs``: mask forced ones out.
    """
    log_ratio = (log_probs - reference_log_probs).where(mask, 0.0)
    return {f"kl_{name}": ESTIMATORS[name](log_ratio).sum(-1).mean() for name in estimators}


def advantage_metrics(advantages: Tensor, returns: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Mean and population standard deviation of advantages and returns over masked tokens, all [rows, time]."""
    found: dict[str, Tensor] = {}
    for name, values in (("advantages", advantages), ("returns", returns)):
        mean, variance = masked_moments(values, mask)
        found |= {f"{name}/mean": mean, f"{name}/deviation": variance.sqrt()}
    return found
