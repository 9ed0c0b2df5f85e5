"""What a claim is tested on: each kind of evidence turns scores into one number per seed and prompt."""

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


@dataclass(frozen=True, kw_only=True)
class Level:
    """The mean of one arm's metric (e.g. a win rate against 0.5)."""

    metric: str
    arm: str
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        (table,), note = align(scores, self.suite, [(self.arm, self.metric)])
        return Measurement(table.to_numpy(), metric_range(self.metric), note)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``arm`` minus ``baseline``, paired on seed and prompt."""

    metric: str
    arm: str
    baseline: str
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        (table, base), note = align(scores, self.suite, [(self.arm, self.metric), (self.baseline, self.metric)])
        lowest, highest = metric_range(self.metric)
        return Measurement((table - base).to_numpy(), (lowest - highest, highest - lowest), note)


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
