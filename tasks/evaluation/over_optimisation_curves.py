"""Gold and proxy reward against d = sqrt(KL) for every arm, with both fitted forms: what a flow can end with.

Gao, Schulman and Hilton (arXiv 2210.10760), section 3: R(d) = d (a - b d) for best-of-n, d (a - b log d) for
reinforcement learning; rewards are counted from the start of the arm, KL is in nats.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tasks.engine.schema import UserError
from tasks.engine.tracking import Tracker
from tasks.evaluation.courses import Course, courses_of
from tasks.evaluation.evidence_over_training import FOLDS, cross_fitted_drop
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.statistics.noise import Values
from tasks.evaluation.statistics.over_optimisation import (
    MOST_UNDETERMINED,
    BestOfNFit,
    ReinforcementFit,
    fit_best_of_n,
    fit_reinforcement,
)

METRICS = ("gold_reward", "proxy_reward")
Fit = BestOfNFit | ReinforcementFit
Fitting = Callable[[ArrayLike, ArrayLike], Fit]
FORMS: dict[str, Fitting] = {"best_of_n": fit_best_of_n, "reinforcement": fit_reinforcement}
USUAL = {"n": "best_of_n", "training": "reinforcement"}
"""The form that the authors found for each sweep."""
GRID = 50
PROXY = "proxy_reward"


class OverOptimisation(NamedTuple):
    """Three tidy tables with the columns suite, arm, sweep and metric; rewards are counted from the arm's start."""

    fits: pd.DataFrame
    """One row a form: coefficients, peak and drop with intervals over seeds and prompts, or a note on why not."""
    points: pd.DataFrame
    """One row a point: ``point``, ``at`` (n or percent of the run), ``distance``, ``value``, ``low``, ``high``."""
    bands: pd.DataFrame
    """One row a form and distance: ``form``, ``usual``, ``distance``, ``value``, ``low``, ``high``."""


def log_over_optimisation(tracker: Tracker, scores: pd.DataFrame, suites: Sequence[str]) -> OverOptimisation:
    """Fit every suite with a proxy reward and record the tables ``over_optimisation*.json``; nothing without one."""
    with_proxy = set(scores.loc[scores["metric"] == PROXY, "suite"])
    found = [fit_over_optimisation(scores, suite) for suite in suites if suite in with_proxy]
    if not found:
        return OverOptimisation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    whole = OverOptimisation(*(pd.concat(tables, ignore_index=True) for tables in zip(*found, strict=True)))
    for name, table in whole._asdict().items():
        if len(table):
            suffix = "" if name == "fits" else f"_{name}"
            tracker.table(f"over_optimisation{suffix}.json", table.replace([np.inf, -np.inf], np.nan))
    return whole


def fit_over_optimisation(
    scores: pd.DataFrame,
    suite: str,
    metrics: Sequence[str] = METRICS,
    kl: str = "token_kl",
    start: str = "sft",
    *,
    level: float = 0.95,
    resamples: int = 400,
    seed: int = 0,
) -> OverOptimisation:
    """Fit every arm of ``suite`` that has points (see ``courses_of``) in both forms.

    Bands and intervals of fits are percentiles over ``resamples`` draws of seeds and of prompts, crossed: the prompts
    drawn are the same for all seeds and points. Few seeds make them too narrow (by sqrt(2/3) with three), and one seed
    leaves prompts alone. Intervals of points and of ``drop`` are those of ``estimate``, which keep their level.

    ``drop`` is the metric at its best earlier point less that at the last, without the optimism of choosing the peak
    on the data it is measured on (``evidence_over_training.Drop``); ``fitted_drop`` is that of the curve, within the
    range of the points, and never below 0.
    """
    fits: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    bands: list[pd.DataFrame] = []
    for metric in metrics:
        for course in courses_of(scores, suite, metric, kl, start):
            key = {"suite": suite, "arm": course.arm, "sweep": course.sweep, "metric": metric}
            points += [key | row for row in point_rows(course, level)]
            drawn, drop = resampled_means(course, resamples, seed), drop_of(course, level)
            for form in FORMS:
                row, band = fit_course(course, form, drawn, level)
                fits.append(key | row | drop)
                bands += [band.assign(**key)] if len(band) else []
    return OverOptimisation(
        pd.DataFrame(fits), pd.DataFrame(points), pd.concat(bands, ignore_index=True) if bands else pd.DataFrame()
    )


def point_rows(course: Course, level: float) -> list[dict[str, Any]]:
    """One row a point, with an interval over seeds and prompts of its gain over the start."""
    rows = []
    for name, at, distance, gain in zip(course.points, course.at, course.distances, course.gain, strict=True):
        found = estimate(gain, level=level)
        row = {"point": name, "at": at, "distance": float(distance)}
        rows.append(row | {"value": found.mean, "low": found.low, "high": found.high})
    return rows


def drop_of(course: Course, level: float) -> dict[str, float]:
    """Cross-fitted drop with its interval; nothing where there are too few prompts."""
    if course.gain.shape[2] < FOLDS:
        return {}
    found = estimate(cross_fitted_drop(course.gain, course.gain)[0], level=level)
    return {"drop": found.mean, "drop_low": found.low, "drop_high": found.high}


def resampled_means(course: Course, resamples: int, seed: int) -> tuple[Values, Values]:
    """Distances and gains of the points over draws of seeds and prompts: two of [resamples, points]."""
    _, seeds, prompts = course.gain.shape
    generator = np.random.default_rng(seed)
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=resamples) / seeds
    of_prompts = generator.multinomial(prompts, np.full(prompts, 1.0 / prompts), size=resamples) / prompts
    divergence, gain = (
        np.einsum("psr,rs->rp", values @ of_prompts.T, of_seeds) for values in (course.divergence, course.gain)
    )
    return np.sqrt(np.maximum(divergence, 0.0)), gain


def fit_course(
    course: Course, form: str, drawn: tuple[Values, Values], level: float
) -> tuple[dict[str, Any], pd.DataFrame]:
    """One form's row of ``fits`` and its band; a course that does not determine the form brings a note and no band."""
    usual = USUAL[course.sweep] == form
    row = {"form": form, "usual": usual, "n_seeds": course.gain.shape[1], "n_prompts": course.gain.shape[2]}
    heights = course.gain.mean(axis=(1, 2))
    try:
        fit = FORMS[form](course.distances, heights)
        fits = refitted(FORMS[form], *drawn)
    except UserError as error:
        return row | {"note": str(error)}, pd.DataFrame()
    grid = np.linspace(0.0, float(course.distances.max()), GRID)
    curve, curves = fit.gold(grid), np.stack([one.gold(grid) for one in fits])
    residual = float(np.sqrt(np.mean(np.square(heights - fit.gold(course.distances)))))
    row |= {"note": "", "a": fit.a, "b": fit.b, "residual": residual}
    row |= with_interval("peak_distance", fit.peak_distance, [one.peak_distance for one in fits], level)
    row |= with_interval("peak", fit.peak_gold, [one.peak_gold for one in fits], level)
    row |= with_interval("fitted_drop", curve.max() - curve[-1], curves.max(axis=1) - curves[:, -1], level)
    low, high = np.quantile(curves, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    band = pd.DataFrame({"form": form, "usual": usual, "distance": grid, "value": curve, "low": low, "high": high})
    return row, band


def refitted(fitting: Fitting, distances: Values, gains: Values) -> list[Fit]:
    """Fits of every draw [resamples, points]; those that do not determine one are left out.

    Raises UserError if they are more than ``MOST_UNDETERMINED`` of all.
    """
    fits = []
    for distance, gain in zip(distances, gains, strict=True):
        with contextlib.suppress(UserError):
            fits.append(fitting(distance, gain))
    if len(fits) < (1.0 - MOST_UNDETERMINED) * len(gains):
        raise UserError(
            f"{len(gains) - len(fits)} of {len(gains)} draws of seeds and prompts do not determine the curve; "
            "take more prompts, or points further from the start"
        )
    return fits


def with_interval(name: str, value: float, draws: Sequence[float] | Values, level: float) -> dict[str, float]:
    """A number and its percentile interval; by order statistics, so that infinite draws do not make it undefined."""
    ends = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), ends, method="nearest")
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
