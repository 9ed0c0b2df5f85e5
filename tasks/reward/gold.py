"""The tiny world's own numbers as rewards."""

from collections.abc import Sequence

from tasks.data.tiny_world import Gold, score
from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.reward.judged import Judged
from tasks.reward.sources import GoldReward


class GoldRewards:
    """A ``RewardFunction``; columns are ``reward`` and the terms that the families in a batch share."""

    def __init__(self, source: GoldReward, fitted: Sequence[RewardRef] = ()) -> None:
        refuse_fitted(source.kind, fitted)
        self._term = "" if source.label_by == "gold" else source.label_by

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Rewards and their terms (hh: ``helpfulness``, ``cost`` ...).

        Raises UserError for a prompt of another world or a family without the number asked for.
        """
        golds = gold_of(batch)
        shared = set.intersection(*(set(gold.parts) for gold in golds)) if golds else set()
        if golds and self._term and self._term not in shared:
            families = ", ".join(sorted({one.prompt["family"] for one in batch}))
            raise UserError(f"reward.label_by: {self._term} is not known to every family here ({families}); use gold")
        rewards = [gold.parts[self._term] if self._term else gold.reward for gold in golds]
        return {"reward": rewards} | {name: [float(gold.parts[name]) for gold in golds] for name in sorted(shared)}


def gold_of(batch: Sequence[Judged]) -> list[Gold]:
    """True rewards in the batch's order. Raises UserError for a prompt that the tiny world did not make."""
    return score([one.prompt for one in batch], [one.response for one in batch], [one.finished for one in batch])


def refuse_fitted(kind: str, fitted: Sequence[RewardRef]) -> None:
    """Raise UserError if reward models are given to a source that reads none."""
    if fitted:
        raise UserError(
            f"reward.kind {kind} reads no fitted reward model, but {len(fitted)} were given; leave them out"
        )
