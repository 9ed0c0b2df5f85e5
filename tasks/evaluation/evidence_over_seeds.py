"""Evidence on how far the repetitions of an arm lie apart."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.evidence import Measurement, gather
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.statistics.noise import Values

SEEDS_FOR_A_SPREAD = 5
"""Of three seeds one distance is the sum of the other two, so that no difference reaches the 95 % quantile of t."""


@dataclass(frozen=True, kw_only=True)
class SpreadDifference:
    """How far ``arm``'s seeds lie from one another, less how far ``baseline``'s do; one number a seed.

    A seed's distance is |its mean - the mean of the other seeds' means|, prompts averaged: on average over seeds it
    grows with their standard deviation. The distances of one arm's seeds are not independent, so intervals are a
    little too narrow; both arms' are so alike. Below 0 where the arm is the steadier one.
    """

    metric: str
    arm: str
    baseline: str
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``. Raises UserError for fewer than three seeds, of which no spread can be told."""
        tables, note = gather(scores, self.suite, [(self.arm, self.metric), (self.baseline, self.metric)])
        own, base = (distances(table.mean(axis=1)) for table in tables)
        lowest, highest = metric_range(self.metric)
        notes = ["prompts averaged", note]
        return Measurement((own - base)[:, None], (lowest - highest, highest - lowest), "; ".join(filter(None, notes)))


def distances(means: Values) -> Values:
    """|each of ``means`` [seeds] - the mean of the others|. Raises UserError for fewer than three."""
    if len(means) < 3:
        raise UserError(f"a spread over seeds wants three seeds or more, there are {len(means)}; run more seeds")
    others = (means.sum() - means) / (len(means) - 1)
    return np.abs(means - others)
