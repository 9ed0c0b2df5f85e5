"""A mean over seeds and prompts with an interval that holds the noise of both."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.intervals import Identical, Interval, Symmetric, Wilson
from tasks.evaluation.statistics.noise import Components, Values, noise_of_mean, variance_components

UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Estimate:
    """A mean and its two-sided interval, all in units of the metric."""

    mean: float
    low: float
    high: float
    level: float
    """Nominal coverage of [low, high], in (0, 1)."""
    standard_error: float
    n_seeds: int
    n_prompts: int
    method: str
    """How the interval was made and which noise it holds."""
    components: Components
    intervals: tuple[Interval, ...]
    """The interval is the hull of these."""

    def p_value(self, threshold: float) -> float:
        """Smallest alpha at which the 1 - alpha interval excludes ``threshold``: two-sided, in [0, 1]."""
        return max(interval.p_value(threshold) for interval in self.intervals)


def estimate(values: ArrayLike, level: float = 0.95, bounds: tuple[float, float] = UNBOUNDED) -> Estimate:
    """Mean of ``values`` [seeds, prompts] with a two-sided interval of nominal coverage ``level``.

    The prompts are taken as a sample of those one cares about, and the seeds as a sample of trainings.
    For a paired comparison pass per-prompt differences. ``bounds`` is the range a value can take: where
    it is finite the interval also covers Wilson's and stays inside, so that eight wins of eight do not
    make a certain win.

    Raises:
        UserError: ``values`` is empty, not two-dimensional, not finite, or outside ``bounds``.
    """
    table = _checked(values, bounds)
    mean = float(table.mean())
    intervals = _intervals(table, bounds)
    ends = [interval.limits(1.0 - level) for interval in intervals]
    return Estimate(
        mean=mean,
        low=max(bounds[0], min(low for low, _ in ends)),
        high=min(bounds[1], max(high for _, high in ends)),
        level=level,
        standard_error=noise_of_mean(table).standard_error,
        n_seeds=table.shape[0],
        n_prompts=table.shape[1],
        method=_method(table.shape[0], table.shape[1], [type(interval).__name__ for interval in intervals]),
        components=variance_components(table),
        intervals=intervals,
    )


def _checked(values: ArrayLike, bounds: tuple[float, float]) -> Values:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UserError(
            f"an estimate wants finite values [seeds, prompts], not shape {table.shape} with "
            f"{int((~np.isfinite(table)).sum())} non-finite value(s); mend the metric first"
        )
    slack = 1e-9
    if table.min() < bounds[0] - slack or table.max() > bounds[1] + slack:
        raise UserError(
            f"values from {table.min():g} to {table.max():g} lie outside the metric's range "
            f"[{bounds[0]:g}, {bounds[1]:g}]; mend the metric or its range"
        )
    return table


def _intervals(table: Values, bounds: tuple[float, float]) -> tuple[Interval, ...]:
    mean, noise = float(table.mean()), noise_of_mean(table)
    if not all(map(math.isfinite, bounds)) or table.size == 1:
        return (Symmetric(mean, noise),)
    if np.ptp(table) == 0.0:
        return (Identical(mean, table.shape[1], *bounds),)
    return (Symmetric(mean, noise), Wilson(mean, noise, *bounds))


def _method(seeds: int, prompts: int, names: list[str]) -> str:
    if seeds == 1 and prompts == 1:
        return "one value: no interval"
    if names == ["Identical"]:
        return f"all values equal: Clopper-Pearson bound over {prompts} prompts, seed noise not seen"
    shape = "t interval" if names == ["Symmetric"] else "hull of t and Wilson interval"
    if seeds == 1:
        return f"{shape} over prompts; one seed, so seed noise is not in it"
    if prompts == 1:
        return f"{shape} over seeds"
    return f"{shape} over seeds ({seeds - 1} df) and shared prompts ({prompts - 1} df)"
