"""Best-of-n from one set of scored samples: its divergence, and its expected gold reward without drawing again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from tasks.engine.schema import UserError

Values = NDArray[np.float64]


def best_of_n_kl(n: ArrayLike) -> Values:
    """KL(best-of-n || policy) = log n - (n - 1) / n in nats, elementwise for n >= 1.

    Exact for continuous scores, otherwise an upper bound (Gao et al. 2210.10760, section 2).
    """
    count = np.asarray(n, dtype=np.float64)
    return np.log(count) - (count - 1.0) / count


def rank_weights(samples: int, n: int) -> Values:
    """[samples]: probability that the sample of rank i (from 1, worst first) is the best of n drawn without
    replacement, C(i - 1, n - 1) / C(samples, n); through log-gamma, so that large counts do not overflow."""
    weights = np.zeros(samples)
    rank = np.arange(n, samples + 1, dtype=np.float64)
    # C(i - 1, n - 1) / C(N, n) = n (i - 1)! (N - n)! / ((i - n)! N!)
    weights[n - 1 :] = np.exp(
        np.log(n) + gammaln(rank) + gammaln(samples - n + 1.0) - gammaln(rank - n + 1.0) - gammaln(samples + 1.0)
    )
    return weights


def best_of_n_gold(proxy: ArrayLike, gold: ArrayLike, n: int) -> Values:
    """Expected gold reward [...] of the sample with the highest proxy reward among n, from ``proxy`` and ``gold``
    [..., samples] of independent samples of a prompt.

    The unbiased estimator of Gao et al. (2210.10760, appendix) and Nakano et al. (2112.09332): the mean over all
    subsets of n samples. Among equal proxy rewards the choice is even, so the order of samples does not matter.

    Raises:
        UserError: shapes differ, a value is not finite, or n is not in 1..samples.
    """
    return _gold_by_rank(proxy, gold, [n]) @ rank_weights(np.shape(proxy)[-1], n)


def best_of_n_curve(proxy: ArrayLike, gold: ArrayLike, counts: Sequence[int]) -> Values:
    """``best_of_n_gold`` for each n of ``counts``: [..., len(counts)]. Raises as that does."""
    ranked = _gold_by_rank(proxy, gold, counts)
    return np.stack([ranked @ rank_weights(ranked.shape[-1], n) for n in counts], axis=-1)


def _gold_by_rank(proxy: ArrayLike, gold: ArrayLike, counts: Sequence[int]) -> Values:
    """Gold by ascending proxy reward, tied samples at their group's mean: [..., samples]."""
    scores, rewards = np.asarray(proxy, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if scores.shape != rewards.shape or scores.ndim == 0:
        raise UserError(
            f"best-of-n wants a proxy and a gold reward a sample, not shapes {scores.shape}, {rewards.shape}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(rewards).all()):
        raise UserError("best-of-n wants finite proxy and gold rewards; leave out the prompts with a failed reward")
    samples = scores.shape[-1]
    if unfit := [n for n in counts if not 1 <= n <= samples]:
        raise UserError(
            f"best of {unfit[0]} cannot be estimated from {samples} sample(s) a prompt; draw more or lower n"
        )
    return _average_ties(scores.reshape(-1, samples), rewards.reshape(-1, samples)).reshape(scores.shape)


def _average_ties(proxy: Values, gold: Values) -> Values:
    order = np.argsort(proxy, axis=1, kind="stable")
    ranked, rewards = np.take_along_axis(proxy, order, axis=1), np.take_along_axis(gold, order, axis=1)
    starts = np.ones(ranked.shape, dtype=bool)
    starts[:, 1:] = np.diff(ranked, axis=1) > 0.0
    group = np.cumsum(starts.ravel()) - 1
    mean = np.bincount(group, weights=rewards.ravel()) / np.bincount(group)
    return mean[group].reshape(ranked.shape)
