"""Evidence against a baseline that was tuned: the setting that does best against the arm stands for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.evidence import FrontierGap, Measurement
from tasks.evaluation.statistics.estimates import UNBOUNDED
from tasks.evaluation.statistics.noise import Values


@dataclass(frozen=True, kw_only=True)
class GapToBestSetting:
    """Reward of one method's frontier minus that of the other's best setting, at equal KL.

    ``settings`` has the points of every setting that the other method was tuned over, each a frontier of its own. One
    line through all of them would fall with every poor setting that was tried. For every seed the setting is the one
    with the smallest gap on the *other* seeds (on the same one, if there is one alone), so that its choice cannot
    profit from their noise. A setting is compared over the KL range that it shares with ``arms`` at every seed.
    """

    arms: tuple[str, ...]
    settings: tuple[tuple[str, ...], ...]
    suite: str
    metric: str = "gold_reward"
    kl: str = "kl"

    @property
    def baselines(self) -> tuple[str, ...]:
        """Every point of every setting, once."""
        return tuple(dict.fromkeys(point for points in self.settings for point in points))

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``."""
        found = [
            FrontierGap(arms=self.arms, baselines=points, suite=self.suite, metric=self.metric, kl=self.kl).measure(
                scores
            )
            for points in self.settings
        ]
        gaps = np.stack([one.values for one in found])
        chosen = smallest_elsewhere(gaps.mean(axis=2))
        notes = [
            f"against '{_name(self.settings[place])}' at {chosen.count(place)} seeds: {found[place].note}"
            for place in sorted(set(chosen))
        ]
        return Measurement(gaps[chosen, range(len(chosen))], UNBOUNDED, "; ".join(notes))

    def __post_init__(self) -> None:
        if not self.settings:
            raise ValueError("a gap to the best setting wants a setting or more")


def smallest_elsewhere(gaps: Values) -> list[int]:
    """For every seed the row of ``gaps`` [settings, seeds] with the smallest mean over the other seeds."""
    seeds = range(gaps.shape[1])
    others = [[other for other in seeds if other != seed] or [seed] for seed in seeds]
    return [int(gaps[:, rest].mean(axis=1).argmin()) for rest in others]


def _name(points: Sequence[str]) -> str:
    return points[-1].partition("@")[0]
