"""What a claim is tested on: each kind of evidence turns scores into one number per seed and prompt.

Evidence on the course of a run (a peak, the steps to a target) is in ``evidence_over_training``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from tasks.evaluation.frontier import matched_kl_gap
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.scores import align
from tasks.evaluation.statistics.estimates import UNBOUNDED
from tasks.evaluation.statistics.noise import Values


@dataclass(frozen=True)
class Measurement:
    """``values`` [seeds, prompts], the range a value can take, and a note on what was left out."""

    values: Values
    bounds: tuple[float, float]
    note: str


class Evidence(Protocol):
    """Anything that can be measured on scores; raises ``UserError`` where the scores do not hold it."""

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """Return the effect per seed and prompt, in units of the metric."""
        ...


@dataclass(frozen=True)
class MeanOfArms:
    """Several arms that stand as one: at every seed and prompt the mean of their metric.

    "A single reward model" of an ensemble paper is the average over its members, not the best of them (arXiv
    2310.02743, section 4).
    """

    arms: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.arms:
            raise ValueError("a mean of arms wants at least one arm")


Arm = str | MeanOfArms


def gather(scores: pd.DataFrame, suite: str, series: Sequence[tuple[Arm, str]]) -> tuple[list[Values], str]:
    """``values`` [seeds, prompts] of each ``(arm, metric)``, cut to what all have in common, and what that left out.

    Raises UserError as ``align``.
    """
    names = [arm.arms if isinstance(arm, MeanOfArms) else (arm,) for arm, _ in series]
    flat = [(name, metric) for arms, (_, metric) in zip(names, series, strict=True) for name in arms]
    tables, note = align(scores, suite, flat)
    waiting = iter(tables)
    return [np.mean([next(waiting).to_numpy() for _ in arms], axis=0) for arms in names], note


@dataclass(frozen=True, kw_only=True)
class Level:
    """The mean of one arm's metric (e.g. a win rate against 0.5)."""

    metric: str
    arm: Arm
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        (values,), note = gather(scores, self.suite, [(self.arm, self.metric)])
        return Measurement(values, metric_range(self.metric), note)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``arm`` minus ``baseline``, paired on seed and prompt."""

    metric: str
    arm: Arm
    baseline: Arm
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        (values, base), note = gather(scores, self.suite, [(self.arm, self.metric), (self.baseline, self.metric)])
        lowest, highest = metric_range(self.metric)
        return Measurement(values - base, (lowest - highest, highest - lowest), note)


@dataclass(frozen=True, kw_only=True)
class InteractionDifference:
    """(``arm`` - ``baseline``) - (``other_arm`` - ``other_baseline``), paired on seed and prompt.

    Whether a gap is wider under one condition than under another, e.g. ensemble over single reward model with label
    noise and without.
    """

    metric: str
    arm: Arm
    baseline: Arm
    other_arm: Arm
    other_baseline: Arm
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        arms = (self.arm, self.baseline, self.other_arm, self.other_baseline)
        (one, base, other, other_base), note = gather(scores, self.suite, [(arm, self.metric) for arm in arms])
        lowest, highest = metric_range(self.metric)
        widest = 2.0 * (highest - lowest)
        return Measurement((one - base) - (other - other_base), (-widest, widest), note)


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Least-squares slope of the metric over an ordered sweep of arms, per step of the sweep.

    It says that the metric goes up or down on the whole, not that every step does: claim single steps, or
    the two sides of a hump, with ``Difference``.
    """

    metric: str
    arms: tuple[str, ...]
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        tables, note = align(scores, self.suite, [(arm, self.metric) for arm in self.arms])
        steps = np.arange(len(self.arms)) - (len(self.arms) - 1) / 2.0
        stacked = np.stack([table.to_numpy() for table in tables])
        slope = np.tensordot(steps / np.square(steps).sum(), stacked, axes=1)
        return Measurement(slope, UNBOUNDED, note)

    def __post_init__(self) -> None:
        if len(self.arms) < 2:
            raise ValueError("a trend wants two arms or more, in the order of the sweep")


@dataclass(frozen=True, kw_only=True)
class FrontierGap:
    """Reward of one method's frontier minus another's at equal KL, averaged over the KL range both cover.

    ``arms`` and ``baselines`` are the points of each frontier (settings or checkpoints), in any order;
    the common start (``sft``, KL 0) may be in both.
    """

    arms: tuple[str, ...]
    baselines: tuple[str, ...]
    suite: str
    metric: str = "gold_reward"
    kl: str = "kl"

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        points = [*self.arms, *self.baselines]
        series = [(arm, name) for name in (self.kl, self.metric) for arm in points]
        tables, note = align(scores, self.suite, series)
        stacked = np.stack([table.to_numpy() for table in tables])
        kl, reward = np.swapaxes(stacked.reshape(2, len(points), *stacked.shape[1:]), 1, 2)
        cut = len(self.arms)
        gap, (low, high) = matched_kl_gap(
            list(kl[:, :cut]), list(reward[:, :cut]), list(kl[:, cut:]), list(reward[:, cut:])
        )
        return Measurement(gap, UNBOUNDED, "; ".join(filter(None, [f"KL {low:.3g} to {high:.3g} nats", note])))
