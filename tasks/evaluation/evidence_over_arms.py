"""Evidence on several arms at once: the best of a few, and whether two metrics put arms in one order."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from tasks.engine.schema import UserError
from tasks.evaluation.evidence import Arm, Measurement, gather
from tasks.evaluation.evidence_over_training import cross_fitted_drop
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.scores import align


@dataclass(frozen=True, kw_only=True)
class BestOfArms:
    """The best of ``arms`` minus ``baseline``, paired on seed and prompt.

    The best is chosen on other prompts and, where there is more than one seed, on other seeds than those it is measured
    on (see ``cross_fitted_drop``), so that the choice cannot profit from their noise.
    """

    metric: str
    arms: tuple[Arm, ...]
    baseline: Arm
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        tables, note = gather(scores, self.suite, [(arm, self.metric) for arm in (*self.arms, self.baseline)])
        values = np.stack(tables)
        gap, chosen = cross_fitted_drop(values, values)
        best = self.arms[max(set(chosen), key=chosen.count)]
        lowest, highest = metric_range(self.metric)
        notes = [f"best is mostly {best}", note]
        return Measurement(gap, (lowest - highest, highest - lowest), "; ".join(filter(None, notes)))

    def __post_init__(self) -> None:
        if not self.arms:
            raise ValueError("the best of arms wants at least one arm")


@dataclass(frozen=True, kw_only=True)
class OrderAgreement:
    """Spearman's rank correlation over ``arms`` between the means of two metrics, one number a seed in [-1, 1].

    Whether what is measured in ``suite`` before training foretells what is measured in ``other_suite`` after it. The
    suites may have different prompts. A seed in which all arms are equal in one metric has no order and counts as 0.
    """

    metric: str
    suite: str
    other_metric: str
    other_suite: str
    arms: tuple[str, ...]

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``. Raises UserError if no seed is in both suites."""
        means, notes = [], []
        for suite, metric in ((self.suite, self.metric), (self.other_suite, self.other_metric)):
            tables, note = align(scores, suite, [(arm, metric) for arm in self.arms])
            means.append(pd.DataFrame({arm: table.mean(axis=1) for arm, table in zip(self.arms, tables, strict=True)}))
            notes.append(note)
        foretold, found = means
        seeds = sorted(set(foretold.index) & set(found.index))
        if not seeds:
            raise UserError(f"no seed has both {self.suite} and {self.other_suite} of every arm; nothing to compare")
        values = [order_agreement(foretold.loc[seed].to_numpy(), found.loc[seed].to_numpy()) for seed in seeds]
        notes.append(f"{len(self.arms)} arms, prompts averaged")
        return Measurement(np.array(values)[:, None], (-1.0, 1.0), "; ".join(filter(None, notes)))

    def __post_init__(self) -> None:
        if len(self.arms) < 3:
            raise ValueError("an order wants three arms or more")


def order_agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rho of two vectors [arms], ties sharing ranks; 0 where one of them has no order."""
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return 0.0
    return float(spearmanr(one, other).statistic)
