"""Evidence on the course of a run: does a metric fall after its peak, and how soon does it reach a target?"""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.evidence import Arm, MeanOfArms, Measurement, gather
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.statistics.noise import Values

FOLDS = 2
"""Parts of the prompts; the peak that one part is measured at was chosen on the others."""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A metric at its best earlier point minus at the last point: over-optimisation where it is above 0.

    ``points`` are arms in their order (checkpoints, rising n of best-of-n, falling KL coefficient), the last one final.
    The best of the earlier points is chosen on other prompts and, where there is more than one seed, on other seeds
    than those it is measured on, so that the choice cannot profit from their noise: for curves that are flat in truth
    the mean is 0, and where runs peak at different points it falls short of the mean of their own drops. It is below 0
    where the metric still rises at the end. In simulations of flat curves the 95 % interval covers 95 to 99 % with
    three seeds, and 91 % with one, whose two parts of the prompts must choose for each other.

    ``peak_of`` names the metric whose peak is taken, where that is another: with ``metric="proxy_reward"`` and
    ``peak_of="gold_reward"`` a value below 0 says that the proxy goes on rising after the gold reward's peak.
    ``baselines``, if any, are the points of another arm, whose own drop is subtracted.
    """

    metric: str
    points: tuple[Arm, ...]
    suite: str
    peak_of: str = ""
    baselines: tuple[Arm, ...] = ()

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        curves = [self.points, *([self.baselines] if self.baselines else [])]
        names = (self.peak_of or self.metric, self.metric)
        tables, note = gather(scores, self.suite, [(arm, name) for arms in curves for name in names for arm in arms])
        drops, notes = [], []
        for arms in curves:
            judged, measured = (np.stack([tables.pop(0) for _ in arms]) for _ in names)
            drop, chosen = cross_fitted_drop(judged, measured)
            drops.append(drop)
            notes.append(f"peak at {_name(arms[_most_often(chosen)])}")
        lowest, highest = metric_range(self.metric)
        widest = len(curves) * (highest - lowest)
        values = drops[0] - sum(drops[1:])
        return Measurement(values, (-widest, widest), "; ".join(filter(None, [*notes, note])))

    def __post_init__(self) -> None:
        if min(len(arms) for arms in (self.points, self.baselines or self.points)) < 2:
            raise ValueError("a drop wants two points or more, in their order, the last one final")


def cross_fitted_drop(judged: Values, measured: Values) -> tuple[Values, list[int]]:
    """``measured`` at the best point but the last, minus at the last: [seeds, prompts]; and every choice of that point.

    ``judged`` and ``measured``: [points, seeds, prompts]. For the prompts of one of ``FOLDS`` parts and one seed the
    point is the best by the mean of ``judged`` over the other parts of the other seeds (over the same seed, if there is
    one alone).

    Raises UserError if there are fewer prompts than parts.
    """
    _, seeds, prompts = judged.shape
    if prompts < FOLDS:
        raise UserError(f"a drop chooses its peak on other prompts, and there is only {prompts}; take more prompts")
    part = np.arange(prompts) % FOLDS
    drop, chosen = np.empty((seeds, prompts)), []
    for seed in range(seeds):
        others = [other for other in range(seeds) if other != seed] or [seed]
        for fold in range(FOLDS):
            here = part == fold
            peak = int(judged[:-1][:, others][:, :, ~here].mean(axis=(1, 2)).argmax())
            drop[seed, here] = measured[peak, seed, here] - measured[-1, seed, here]
            chosen.append(peak)
    return drop, chosen


@dataclass(frozen=True, kw_only=True)
class StepsToTarget:
    """How much sooner than its baseline an arm first reaches the value that the baseline ends with.

    One number a seed, prompts averaged: (T - ``factor`` x T_baseline) / horizon, where T is the number of steps at
    which the line through the points' means first reaches the baseline's last mean. With ``factor`` 1 it is the
    difference as a share of the run, -0.5 for "half a run sooner"; claim it below 0 with ``factor`` 0.6 for "in
    less than 60 % of the steps" (a ratio of two noisy times is never taken).

    The baseline is timed by its own first crossing, not by its whole run, so that noise, which makes any curve cross
    early, does so for both. An arm that never reaches the target counts as needing its whole run, and the baseline is
    then timed to the lower value that the arm ends with: so two equal arms are sooner and later equally often (a time
    merely cut off at the end of the run would be too short for the arm alone), and such a seed, of which the verdict
    tells, never speaks for the arm where ``factor`` is at most 1.

    ``steps``: number of updates at each of ``points`` and ``baselines``, rising; begin with the common start (0).
    """

    metric: str
    points: tuple[Arm, ...]
    baselines: tuple[Arm, ...]
    steps: tuple[float, ...]
    suite: str
    factor: float = 1.0

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        tables, note = gather(scores, self.suite, [(arm, self.metric) for arm in (*self.points, *self.baselines)])
        means = np.stack([table.mean(axis=1) for table in tables])
        arm, baseline = means[: len(self.steps)], means[len(self.steps) :]
        horizon, steps = self.steps[-1], np.asarray(self.steps)
        rows, never, flat = [], [], []
        for seed in range(means.shape[1]):
            target = float(baseline[-1, seed])
            needed = first_passage(steps, arm[:, seed], target)
            if math.isinf(needed):
                needed, target = horizon, float(arm[-1, seed])
                never.append(seed)
            usual = first_passage(steps, baseline[:, seed], target)
            rows.append((needed - self.factor * usual) / horizon)
            flat += [seed] if usual == steps[0] else []
        notes = [
            f"{len(never)} of {len(rows)} seeds never reach the target" if never else "",
            f"in {len(flat)} of {len(rows)} seeds the baseline stands at the target from its start" if flat else "",
            "prompts averaged, so prompt noise is not in it",
            note,
        ]
        return Measurement(np.array(rows)[:, None], (-self.factor, 1.0), "; ".join(filter(None, notes)))

    def __post_init__(self) -> None:
        if not len(self.points) == len(self.baselines) == len(self.steps) > 1:
            raise ValueError("steps to a target want as many points and baselines as steps, two or more")
        if self.steps[0] < 0.0 or any(later <= earlier for earlier, later in pairwise(self.steps)):
            raise ValueError(f"steps must rise from 0 or more, not {self.steps}")
        if self.factor <= 0.0:
            raise ValueError(f"the factor must be above 0, not {self.factor}")


def first_passage(steps: Values, heights: Values, target: float) -> float:
    """Step at which the line through (``steps``, ``heights``) [points] first reaches ``target``; infinite if never."""
    reached = np.flatnonzero(heights >= target)
    if not len(reached):
        return math.inf
    right = int(reached[0])
    if right == 0:
        return float(steps[0])
    left = right - 1
    share = (target - heights[left]) / (heights[right] - heights[left])
    return float(steps[left] + share * (steps[right] - steps[left]))


def _most_often(chosen: list[int]) -> int:
    return Counter(chosen).most_common(1)[0][0]


def _name(arm: Arm) -> str:
    return f"the mean of {', '.join(arm.arms)}" if isinstance(arm, MeanOfArms) else f"'{arm}'"
