"""Gold reward against d = sqrt(KL(pi || pi_init)): the two forms of Gao, Schulman and Hilton (arXiv 2210.10760).

Gold reward is centred on pi_init, so that it is 0 at d = 0; KL is in nats.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.engine.schema import UserError

Values = NDArray[np.float64]
MOST_UNDETERMINED = 0.05
"""Share of resamples that may be left out of a band."""


class Fit(Protocol):
    """A fitted curve of gold reward over distance."""

    @property
    def peak_distance(self) -> float:
        """d* at which gold reward is largest; infinite if it only rises."""
        ...

    @property
    def peak_gold(self) -> float:
        """Gold reward at the peak."""
        ...

    def gold(self, distance: ArrayLike) -> Values:
        """Predicted gold reward at each distance d >= 0."""
        ...


@dataclass(frozen=True)
class BestOfNFit:
    """R(d) = d (a - b d), for best-of-n."""

    a: float
    """Slope at d = 0, gold units per sqrt(nat)."""
    b: float
    """Gold units per nat; above 0 where the proxy is over-optimised."""

    @property
    def peak_distance(self) -> float:
        """d* = a / (2 b)."""
        if self.b > 0.0:
            return max(0.0, self.a / (2.0 * self.b))
        return math.inf if self.b < 0.0 or self.a > 0.0 else 0.0

    @property
    def peak_gold(self) -> float:
        """R* = a^2 / (4 b)."""
        return float(self.gold(self.peak_distance)) if math.isfinite(self.peak_distance) else math.inf

    def gold(self, distance: ArrayLike) -> Values:
        """See ``Fit``."""
        return best_of_n_columns(np.asarray(distance, dtype=np.float64)) @ np.array([self.a, self.b])


@dataclass(frozen=True)
class ReinforcementFit:
    """R(d) = d (a - b log d), for reinforcement learning; its slope at d = 0 is infinite: a poor fit near there."""

    a: float
    """Gold units per sqrt(nat): R(1)."""
    b: float
    """Gold units per sqrt(nat); above 0 where the proxy is over-optimised."""

    @property
    def peak_distance(self) -> float:
        """d* = exp(a / b - 1)."""
        if self.b > 0.0:
            exponent = self.a / self.b - 1.0
            return math.exp(exponent) if exponent < 700.0 else math.inf
        return math.inf if self.b < 0.0 or self.a > 0.0 else 0.0

    @property
    def peak_gold(self) -> float:
        """R* = b d*."""
        return self.b * self.peak_distance if math.isfinite(self.peak_distance) else math.inf

    def gold(self, distance: ArrayLike) -> Values:
        """See ``Fit``."""
        return reinforcement_columns(np.asarray(distance, dtype=np.float64)) @ np.array([self.a, self.b])


Fitting = Callable[[ArrayLike, ArrayLike], Fit]


def fit_best_of_n(distance: ArrayLike, gold: ArrayLike) -> BestOfNFit:
    """Least squares of ``gold`` [points] in (d, -d^2). Raises UserError if the points do not determine a and b."""
    return BestOfNFit(*_least_squares(best_of_n_columns, distance, gold))


def fit_reinforcement(distance: ArrayLike, gold: ArrayLike) -> ReinforcementFit:
    """Least squares of ``gold`` [points] in (d, -d log d). Raises UserError as ``fit_best_of_n``."""
    return ReinforcementFit(*_least_squares(reinforcement_columns, distance, gold))


def best_of_n_columns(distance: Values) -> Values:
    """(d, -d^2): [..., 2]."""
    return np.stack([distance, -np.square(distance)], axis=-1)


def reinforcement_columns(distance: Values) -> Values:
    """(d, -d log d), which is 0 at d = 0: [..., 2]."""
    logarithm = np.log(distance, out=np.zeros_like(distance), where=distance > 0.0)
    return np.stack([distance, -distance * logarithm], axis=-1)


def _least_squares(columns: Callable[[Values], Values], distance: ArrayLike, gold: ArrayLike) -> tuple[float, float]:
    d, reward = np.asarray(distance, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if d.ndim != 1 or d.shape != reward.shape or not (np.isfinite(d).all() and np.isfinite(reward).all()):
        raise UserError(
            f"an over-optimisation fit wants finite d and gold [points], not shapes {d.shape}, {reward.shape}"
        )
    coefficients, _, rank, _ = np.linalg.lstsq(columns(d), reward, rcond=None)
    if rank < 2:
        raise UserError(
            f"an over-optimisation fit wants two or more different distances above 0, not {np.unique(d).tolist()[:5]}; "
            "add points with other KL"
        )
    return float(coefficients[0]), float(coefficients[1])


@dataclass(frozen=True)
class FittedCurve:
    """A fit with its noise over prompts; every interval is a percentile one of the nominal coverage asked for."""

    fit: Fit
    distances: Values
    """[points] d of the points fitted."""
    grid: Values
    """[grid] d at which the band stands."""
    low: Values
    """[grid] lower end of the gold reward's band, point by point."""
    high: Values
    peak_distance: tuple[float, float]
    """Interval of d*; its upper end is infinite where some resamples have no peak."""
    peak_gold: tuple[float, float]


def bootstrap_fit(
    fitting: Fitting,
    kl: ArrayLike,
    gold: ArrayLike,
    *,
    grid: ArrayLike = (),
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> FittedCurve:
    """``fitting`` (``fit_best_of_n``, ``fit_reinforcement``) of the prompts' mean gold, with bands over prompts.

    ``gold``: [points, prompts], the same prompts at every point, which are resampled together. ``kl``: [points] in
    nats where it is known (best-of-n), or [points, prompts] sampled, when it is resampled with them; a negative mean
    of sampled KL counts as 0. ``grid``: distances of the band, by default 50 from 0 to the largest d.

    Raises:
        UserError: shapes disagree, there is one prompt, a value is not finite, or the points, or those of more than one
            resample in twenty, do not determine the fit.
    """
    rewards, divergence = np.asarray(gold, dtype=np.float64), np.asarray(kl, dtype=np.float64)
    if rewards.ndim != 2 or divergence.shape not in {rewards.shape, rewards.shape[:1]}:
        raise UserError(
            f"an over-optimisation fit wants gold [points, prompts] and KL [points] or [points, prompts], not shapes "
            f"{rewards.shape} and {divergence.shape}"
        )
    if rewards.shape[1] < 2:
        raise UserError(f"a band over prompts wants two prompts or more, not {rewards.shape[1]}; fit the points alone")
    if divergence.ndim == 1:
        divergence = np.broadcast_to(divergence[:, None], rewards.shape)
    distances = _distance(divergence)
    fit = fitting(distances, rewards.mean(axis=1))
    at = np.asarray(grid, dtype=np.float64) if np.size(grid) else np.linspace(0.0, float(distances.max()), 50)
    drawn = _resample(fitting, divergence, rewards, resamples, seed)
    ends = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(np.stack([one.gold(at) for one in drawn]), ends, axis=0)
    return FittedCurve(
        fit, distances, at, low, high,
        _interval([one.peak_distance for one in drawn], ends),
        _interval([one.peak_gold for one in drawn], ends),
    )  # fmt: skip


def _resample(fitting: Fitting, divergence: Values, rewards: Values, resamples: int, seed: int) -> list[Fit]:
    generator = np.random.default_rng(seed)
    prompts = rewards.shape[1]
    drawn: list[Fit] = []
    for _ in range(resamples):
        chosen = generator.integers(prompts, size=prompts)
        # sampled KL of few prompts may be below 0, and then so many points lie at d = 0 that nothing can be fitted
        with contextlib.suppress(UserError):
            drawn.append(fitting(_distance(divergence[:, chosen]), rewards[:, chosen].mean(axis=1)))
    if len(drawn) < (1.0 - MOST_UNDETERMINED) * resamples:
        raise UserError(
            f"{resamples - len(drawn)} of {resamples} resamples of {prompts} prompts do not determine an over-"
            "optimisation fit, as their mean KL is not above 0; take more prompts, or leave out points near pi_init"
        )
    return drawn


def _distance(divergence: Values) -> Values:
    return np.sqrt(np.maximum(divergence.mean(axis=1), 0.0))


def _interval(values: list[float], ends: list[float]) -> tuple[float, float]:
    """Percentiles by order statistics, so that infinite values do not make them undefined."""
    low, high = np.quantile(values, ends, method="nearest")
    return float(low), float(high)
