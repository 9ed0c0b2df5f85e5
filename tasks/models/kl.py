"""Divergence KL(pi || pi_ref) of a policy from its reference: sampled and exact, in nats.

Every function takes numpy arrays, torch tensors or plain numbers, works elementwise, and keeps a tensor's gradient.
A ``log_ratio`` is log pi(y|x) - log pi_ref(y|x) of a sample y ~ pi, of a token or summed over a response. Under
samples of pi the means of k1 and k3 are KL(pi || pi_ref), not the reverse; k2's is close to it while pi is close to
pi_ref (Schulman 2020, "Approximating KL divergence", who writes them with the ratio pi_ref / pi).
"""

from typing import Any, TypeVar

import numpy as np

Values = TypeVar("Values")


def k1(log_ratio: Values) -> Values:
    """r: unbiased; of either sign, and the noisiest."""
    return log_ratio


def k2(log_ratio: Values) -> Values:
    """r^2 / 2: biased, never negative, little noise."""
    ratio: Any = log_ratio
    return 0.5 * ratio * ratio


def k3(log_ratio: Values) -> Values:
    """exp(-r) - 1 + r: unbiased where pi covers pi_ref, never negative (up to rounding)."""
    ratio: Any = log_ratio
    return (-ratio).expm1() + ratio if hasattr(ratio, "expm1") else np.expm1(-ratio) + ratio


def exact_kl(log_p: Values, log_q: Values) -> Values:
    """KL(p || q) of categorical distributions, from their normalised log-probabilities [..., categories]; [...].

    A category that p excludes (log-probability -inf) adds nothing; one that q alone excludes makes the divergence
    infinite. For KL(pi || pi_ref) pass log pi first.
    """
    first: Any = log_p
    second: Any = log_q
    if hasattr(first, "exp"):
        probability = first.exp()
        return (probability * (first - second).where(probability > 0.0, first.new_zeros(()))).sum(-1)
    probability = np.exp(first)
    with np.errstate(invalid="ignore"):
        difference = np.subtract(first, second)
    return np.where(probability > 0.0, probability * np.where(probability > 0.0, difference, 0.0), 0.0).sum(axis=-1)
