"""Evidence on whether two metrics of an arm rise and fall together over prompts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.evidence import Measurement, gather
from tasks.evaluation.evidence_over_arms import order_agreement


@dataclass(frozen=True, kw_only=True)
class RankCorrelationDifference:
    """Spearman's rank correlation of two metrics over prompts: of ``arm`` minus of ``baseline``, one number a seed.

    In [-2, 2]; an arm in which one of the metrics does not vary counts as 0.
    """

    metric: str
    other_metric: str
    arm: str
    baseline: str
    suite: str

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        series = [(arm, name) for arm in (self.arm, self.baseline) for name in (self.metric, self.other_metric)]
        (one, other, base, other_base), note = gather(scores, self.suite, series)
        values = [
            order_agreement(*of_arm) - order_agreement(*of_baseline)
            for of_arm, of_baseline in zip(
                zip(one, other, strict=True), zip(base, other_base, strict=True), strict=True
            )
        ]
        notes = [f"over {one.shape[1]} prompts, whose noise is not in it", note]
        return Measurement(np.array(values)[:, None], (-2.0, 2.0), "; ".join(filter(None, notes)))
