"""An arm's way from where it started: its points in order, with the divergence and the gain of each."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.scores import align
from tasks.evaluation.statistics.noise import Values

Sweep = Literal["n", "training"]
COUNT, SHARE = re.compile(r"n(\d+)"), re.compile(r"(\d+)%")
COUNT_KL = "best_of_n_kl"
"""The divergence of a course over n."""


@dataclass(frozen=True)
class Course:
    """A metric of one arm along best-of-n's n or along its training, at matched seeds and prompts."""

    arm: str
    metric: str
    sweep: Sweep
    points: list[str]
    """Names of the points in order, as arms: ``mean@n1``, ``mean@n2`` ... or ``ppo@0%``, ``ppo@50%``, ``ppo``."""
    at: list[float]
    """Each point's n, or its share of the run in percent."""
    divergence: Values
    """[points, seeds, prompts] KL to the start in nats; of single prompts it may be negative."""
    gain: Values
    """[points, seeds, prompts] the metric less its value at the start, prompt by prompt: 0 at the first point."""

    @property
    def distances(self) -> Values:
        """[points] d = sqrt(KL), KL averaged over seeds and prompts; a negative mean counts as 0."""
        return np.sqrt(np.maximum(self.divergence.mean(axis=(1, 2)), 0.0))


def courses_of(scores: pd.DataFrame, suite: str, metric: str, kl: str = "token_kl", start: str = "sft") -> list[Course]:
    """The courses of every arm with two points or more in ``suite`` that have ``metric`` and a divergence.

    A course over n starts at n = 1 and has ``best_of_n_kl``. A course of training starts at the arm's own point
    ``0%`` (which has the arm's own proxy) or, without one, at the arm ``start``, and has the metric ``kl``. Arms
    without a start, or without a seed and prompt that all their points have, are left out.
    """
    here = scores[scores["suite"] == suite]
    holders = {name: set(map(str, rows["arm"].unique())) for name, rows in here.groupby("metric")}
    found: list[Course] = []
    for arm in dict.fromkeys(str(name).partition("@")[0] for name in here["arm"].unique()):
        by_count = _matching(arm, COUNT, holders.get(metric, set()) & holders.get(COUNT_KL, set()))
        if len(by_count) > 1 and 1.0 in by_count.values():
            found += _course(here, suite, arm, metric, "n", COUNT_KL, by_count)
        known = holders.get(metric, set()) & holders.get(kl, set())
        by_share = _matching(arm, SHARE, known)
        if not by_share:
            continue
        by_share |= {arm: 100.0} if arm in known else {}
        by_share |= {start: 0.0} if start in known and 0.0 not in by_share.values() else {}
        if len(by_share) > 1 and 0.0 in by_share.values():
            found += _course(here, suite, arm, metric, "training", kl, by_share)
    return found


def _matching(arm: str, pattern: re.Pattern[str], known: set[str]) -> dict[str, float]:
    """The points of ``arm`` whose names have the pattern: each with its n or its share of the run."""
    matches = {name: pattern.fullmatch(name.partition("@")[2]) for name in known if name.startswith(f"{arm}@")}
    return {name: float(match[1]) for name, match in matches.items() if match}


def _course(
    scores: pd.DataFrame, suite: str, arm: str, metric: str, sweep: Sweep, divergence: str, places: dict[str, float]
) -> list[Course]:
    points = sorted(places, key=lambda name: places[name])
    try:
        tables = align(scores, suite, [(point, name) for name in (divergence, metric) for point in points]).tables
    except UserError:
        return []
    kl, height = np.stack([table.to_numpy() for table in tables]).reshape(2, len(points), *tables[0].shape)
    return [Course(arm, metric, sweep, points, [places[name] for name in points], kl, height - height[:1])]
