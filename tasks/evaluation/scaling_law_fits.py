"""Scaling laws of direct alignment: a metric's gain over SFT against d = sqrt(KL), over every KL budget at once.

Rafailov et al. (arXiv 2406.02900): R(d) = d (a - b log d), Gao's form for reinforcement learning, with the win rate in
place of the gold reward, against the quadratic d (a - b d). Whether they subtract the rate at d = 0 is not stated in
what was at hand: here R is counted from the SFT model, so that R(0) = 0 as both forms have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.courses import Course
from tasks.evaluation.over_optimisation_curves import FORMS, fit_course, point_rows, resampled_means
from tasks.evaluation.scores import align
from tasks.evaluation.statistics.noise import Values
from tasks.evaluation.statistics.over_optimisation import fit_best_of_n, fit_reinforcement

LEAST_DISTANCE = 0.05
"""Points nearer to SFT carry no information, and log d grows without bound there."""
LEAST_POINTS = 3
"""Two coefficients leave no error to compare with fewer."""
SAME_KL = (1e-3, 0.01)
"""Nats, and share, by which a response's KL may differ between two runs that are one and the same."""
SAME_SHARE = 0.9
"""Share of the responses whose KL is the same, above which two points are one run."""
EXACT = 1e-12
"""RMSE at and below which a form goes through every point, so that a ratio says nothing."""


@dataclass(frozen=True)
class Curve:
    """What one law is fitted to: ``arms``, the points of every KL budget, counted from the arm ``start``."""

    name: str
    suite: str
    arms: tuple[str, ...]
    start: str


class ScalingLaws(NamedTuple):
    """Three tidy tables with the columns ``suite``, ``arm`` (the curve's name) and ``metric``."""

    fits: pd.DataFrame
    """One row a form: coefficients, d* and RMSE with bootstrap intervals, or a note on why there is no fit."""
    points: pd.DataFrame
    """One row a point with its distance and gain."""
    bands: pd.DataFrame
    """The fitted curves with 95 % bands over seeds and prompts."""


class Pooled(NamedTuple):
    """The points of a curve at matched seeds and prompts."""

    course: Course
    seeds: list[int]
    """Of the course's second axis."""


def pooled_points(scores: pd.DataFrame, curve: Curve, metric: str, kl: str = "token_kl") -> Pooled:
    """Every point of ``curve`` that says something about its shape, by rising distance.

    Left out are points nearer than ``LEAST_DISTANCE`` and all but one of points that are the same policy: once no
    pair's margin reaches 1 / beta, the hinge's gradient is beta grad h, an optimiser that rescales gradients takes the
    same steps at every smaller beta, and the same run must not count twice.

    Raises UserError if no point has scores.
    """
    here = scores[scores["suite"] == curve.suite]
    known = set.intersection(*(set(here.loc[here["metric"] == one, "arm"]) for one in (metric, kl)))
    arms = [arm for arm in curve.arms if arm in known]
    if not arms:
        raise UserError(f"no point of {curve.name} has {metric} and {kl} in suite '{curve.suite}'; nothing to fit")
    series = [(arm, name) for name in (kl, metric) for arm in arms]
    tables = align(scores, curve.suite, [*series, (curve.start, metric)]).tables
    stacked = np.stack([table.to_numpy() for table in tables])
    divergence, height, start = stacked[: len(arms)], stacked[len(arms) : -1], stacked[-1]
    course = Course(curve.name, metric, "training", arms, [0.0] * len(arms), divergence, height - start)
    places = [place for place in distinct(divergence) if course.distances[place] >= LEAST_DISTANCE]
    return Pooled(ordered(course, places), [int(seed) for seed in tables[0].index])


def distinct(divergence: Values) -> list[int]:
    """Places of the points that no earlier one repeats; ``divergence`` [points, seeds, prompts] is the KL in nats."""
    kept: list[int] = []
    for place, one in enumerate(divergence):
        same = [np.isclose(one, divergence[other], SAME_KL[1], SAME_KL[0]).mean() >= SAME_SHARE for other in kept]
        kept += [] if any(same) else [place]
    return kept


def ordered(course: Course, places: Sequence[int]) -> Course:
    """The points at ``places`` by rising distance; ``at`` is the distance."""
    distances = course.distances
    chosen = sorted(places, key=lambda place: distances[place])
    return replace(
        course,
        points=[course.points[place] for place in chosen],
        at=[float(distances[place]) for place in chosen],
        divergence=course.divergence[chosen],
        gain=course.gain[chosen],
    )


def fit_scaling_laws(
    scores: pd.DataFrame, curves: Sequence[Curve], metrics: Sequence[str], *, level: float = 0.95, resamples: int = 400
) -> ScalingLaws:
    """Fit both forms to every curve and metric.

    Bands and intervals are those of ``fit_over_optimisation``: percentiles over draws of seeds and prompts, crossed.
    ``extrapolation`` is the RMSE, at the ends of the runs, of the curve fitted to their intermediate checkpoints.
    """
    fits: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    bands: list[pd.DataFrame] = []
    for curve, metric in product(curves, metrics):
        key = {"suite": curve.suite, "arm": curve.name, "metric": metric}
        try:
            course = pooled_points(scores, curve, metric).course
        except UserError as error:
            fits.append(key | {"note": str(error)})
            continue
        points += [key | row for row in point_rows(course, level)]
        drawn = resampled_means(course, resamples, seed=0)
        counted = {"points": len(course.points), "left_out": len(curve.arms) - len(course.points)}
        for form in FORMS:
            row, band = fit_course(course, form, drawn, level)
            fits.append(key | counted | row | {"extrapolation": extrapolation_error(course, form)})
            bands += [band.assign(**key)] if len(band) else []
    whole = pd.concat(bands, ignore_index=True) if bands else pd.DataFrame()
    return ScalingLaws(pd.DataFrame(fits), pd.DataFrame(points), whole)


def extrapolation_error(course: Course, form: str) -> float:
    """RMSE at the runs' last checkpoints of the form fitted to their earlier ones; NaN where either are too few."""
    early = np.array(["@" in name for name in course.points], dtype=bool)
    heights, distances = course.gain.mean(axis=(1, 2)), course.distances
    if early.all():
        return float("nan")
    try:
        fit = FORMS[form](distances[early], heights[early])
    except UserError:
        return float("nan")
    return root_mean_square(heights[~early] - fit.gold(distances[~early]))


def log_error_ratio(distances: Values, gains: Values) -> float | None:
    """log2(RMSE of d (a - b log d) / RMSE of d (a - b d)), both arguments [points].

    None with fewer than ``LEAST_POINTS`` points, distances that do not determine the forms, or one that fits exactly.
    """
    if len(distances) < LEAST_POINTS:
        return None
    try:
        errors = [
            root_mean_square(gains - fitting(distances, gains).gold(distances))
            for fitting in (fit_reinforcement, fit_best_of_n)
        ]
    except UserError:
        return None
    return float(np.log2(errors[0] / errors[1])) if min(errors) > EXACT else None


def root_mean_square(errors: Values) -> float:
    """Of [points]."""
    return float(np.sqrt(np.mean(np.square(errors))))


def error_ratios(scores: pd.DataFrame, curves: Sequence[Curve], metric: str) -> dict[str, dict[int, float]]:
    """Curve's name → seed → log2 of the log form's RMSE over the quadratic's, on that seed's own points.

    -1 says that the log form halves the error (the paper's finding), 0 that the forms fit alike. A curve that has none
    (see ``log_error_ratio``) is left out.
    """
    found: dict[str, dict[int, float]] = {}
    for curve in curves:
        try:
            course, seeds = pooled_points(scores, curve, metric)
        except UserError:
            continue
        distances = np.sqrt(np.maximum(course.divergence.mean(axis=2), 0.0))
        for place, seed in enumerate(seeds):
            ratio = log_error_ratio(distances[:, place], course.gain[:, place].mean(axis=1))
            if ratio is not None:
                found.setdefault(curve.name, {})[seed] = ratio
    return found
