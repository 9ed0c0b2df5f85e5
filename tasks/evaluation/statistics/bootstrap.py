"""Bootstrap intervals; every one is determined by its ``seed``."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tasks.engine.schema import UserError

Values = NDArray[np.float64]
Method = Literal["percentile", "BCa"]


@dataclass(frozen=True)
class Resampled:
    """A statistic with its bootstrap interval, in units of the statistic."""

    value: float
    """Of the rows as given."""
    low: float
    high: float
    standard_error: float
    """Standard deviation over the resamples."""


def bootstrap_rows(
    statistic: Callable[..., float],
    arrays: Sequence[ArrayLike],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    method: Method = "percentile",
    seed: int = 0,
) -> Resampled:
    """``statistic(*arrays)`` with a two-sided interval: all ``arrays`` [rows] are resampled by the same rows.

    ``level`` is the nominal coverage, in (0, 1). BCa (Efron 1987) corrects bias and skew and evaluates the statistic
    once more for each row; where it is not defined (all resamples alike) the percentile interval stands. One row has
    no interval: its ends are NaN. Raises UserError if the arrays differ in length or are empty.
    """
    columns = [np.asarray(array, dtype=np.float64) for array in arrays]
    _require_rows(columns)
    value = float(statistic(*columns))
    if len(columns[0]) == 1:
        return Resampled(value, math.nan, math.nan, math.nan)
    found = stats.bootstrap(
        columns, statistic, n_resamples=resamples, vectorized=False, paired=True, confidence_level=level,
        method="percentile", rng=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = map(float, found.confidence_interval)
    if method == "BCa" and low < high:
        corrected = stats.bootstrap(
            columns, statistic, n_resamples=0, vectorized=False, paired=True, confidence_level=level, method="BCa",
            bootstrap_result=found,
        )  # fmt: skip
        ends = tuple(map(float, corrected.confidence_interval))
        low, high = ends if np.isfinite(ends).all() else (low, high)
    return Resampled(value, low, high, float(found.standard_error))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    method: Method = "BCa",
    seed: int = 0,
) -> Resampled:
    """Mean of ``first - second`` [prompts], both measured on the same prompts, with an interval over prompts.

    One prompt has no interval: its ends are NaN. Raises UserError if the two differ in length, are empty, or hold a
    value that is not finite.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    _require_rows([one, other])
    difference = one - other
    value = float(difference.mean())
    if len(difference) == 1:
        return Resampled(value, math.nan, math.nan, math.nan)
    if np.ptp(difference) == 0.0:
        return Resampled(value, value, value, 0.0)
    found = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, vectorized=True, axis=-1, confidence_level=level,
        method=method, rng=np.random.default_rng(seed), batch=max(1, 2_000_000 // len(difference)),
    )  # fmt: skip
    low, high = map(float, found.confidence_interval)
    return Resampled(value, low, high, float(found.standard_error))


def clustered_mean(values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Resampled:
    """Mean of ``values`` [seeds, prompts] with a percentile interval that resamples seeds, and prompts within each.

    The hierarchical bootstrap (Davison and Hinkley 1997, section 3.8) takes the prompts of two seeds as different
    ones. Few seeds make it too narrow: with three seeds that differ much it covers some 75 % at nominal 95 %, where
    ``estimates.estimate`` keeps its level. Raises UserError unless ``values`` is a finite, filled table.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise UserError(f"a bootstrap clustered by seed wants values [seeds, prompts], not shape {table.shape}")
    _require_rows([table])
    seeds, prompts = table.shape
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):
        chosen = generator.integers(seeds, size=(seeds, 1))
        within = generator.integers(prompts, size=(seeds, prompts))
        means[index] = table[chosen, within].mean()
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Resampled(float(table.mean()), float(low), float(high), float(means.std(ddof=1)))


def _require_rows(columns: Sequence[Values]) -> None:
    lengths = [len(column) if column.ndim else 0 for column in columns]
    if not lengths or min(lengths) == 0 or len(set(lengths)) != 1:
        raise UserError(f"a bootstrap wants arrays with the same number of rows, at least one, not {lengths}")
    if broken := sum(int((~np.isfinite(column)).sum()) for column in columns):
        raise UserError(f"{broken} value(s) to resample are not finite; leave those rows out and say so")
