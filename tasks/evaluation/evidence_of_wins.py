"""Evidence on who wins: one arm's responses against another's, which need not be a common baseline."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.evidence import Measurement, gather
from tasks.evaluation.win_rate import TIE


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often ``arm``'s response is better than ``baseline``'s by ``metric``, on the same prompt and seed.

    Values are 1, 0 or, for a tie, 0.5: claim it above 0.5 for "beats".
    """

    arm: str
    baseline: str
    suite: str
    metric: str = "gold_reward"

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        (values, base), note = gather(scores, self.suite, [(self.arm, self.metric), (self.baseline, self.metric)])
        difference = values - base
        wins = (difference > TIE) + 0.5 * (np.abs(difference) <= TIE)
        return Measurement(wins.astype(np.float64), (0.0, 1.0), note)
