"""The true reward with errors of known size."""

import random
from collections.abc import Sequence
from hashlib import sha256

from tasks.engine.refs import RewardRef
from tasks.reward.gold import gold_of, refuse_fitted
from tasks.reward.judged import Judged
from tasks.reward.sources import NoisyGoldReward


class NoisyGoldRewards:
    """A ``RewardFunction``; columns are ``reward``, ``gold`` and the ``deviation`` of the noise on each row."""

    def __init__(self, source: NoisyGoldReward, fitted: Sequence[RewardRef] = ()) -> None:
        refuse_fitted(source.kind, fitted)
        self._source = source

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Gold plus noise; a text has the same noise each time. Raises UserError for a prompt of another world."""
        golds = [gold.reward for gold in gold_of(batch)]
        deviations = [deviation_at(gold, self._source) for gold in golds]
        noise = [standard_normal(one, self._source.seed) for one in batch]
        rewards = [gold + deviation * z for gold, deviation, z in zip(golds, deviations, noise, strict=True)]
        return {"reward": rewards, "gold": golds, "deviation": deviations}


def deviation_at(gold: float, source: NoisyGoldReward) -> float:
    """Standard deviation of the noise on a response of true reward ``gold``, in [0, source.deviation]."""
    if source.shape == "homoscedastic":
        return source.deviation
    share = min(1.0, max(0.0, (gold - source.lowest) / (source.highest - source.lowest)))
    return source.deviation * 4.0 * share * (1.0 - share)


def standard_normal(one: Judged, seed: int) -> float:
    """A draw of N(0, 1) that prompt id, response and seed alone decide."""
    digest = sha256(f"{seed}\n{one.prompt['prompt_id']}\n{one.response}".encode()).digest()
    return random.Random(digest).gauss(0.0, 1.0)
