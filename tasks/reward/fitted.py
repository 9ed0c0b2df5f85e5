"""Fitted reward models as reward functions: one, or an ensemble."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.reward import ensembles
from tasks.reward.judged import Judged
from tasks.reward.sources import FittedReward
from tasks.reward.stacked import StackedNetworks, same_shape
from tasks.reward.storing import OpenedReward, open_reward
from tasks.reward.texts import TextBatch


class FittedRewards:
    """A ``RewardFunction``; columns are ``reward`` and, of an ensemble, ``member_0`` ... and their ``variance``.

    Members are shown as they enter the aggregate: standardised where the source asks for it.
    """

    def __init__(self, source: FittedReward, members: Sequence[OpenedReward]) -> None:
        if not members or (source.aggregate == "single" and len(members) > 1):
            wanted = "one reward model" if source.aggregate == "single" else "at least one reward model"
            raise UserError(f"reward.aggregate {source.aggregate} wants {wanted}, {len(members)} were given")
        if any(member.card.objective.get("kind") == "pairwise" for member in members):
            raise UserError("a pairwise judge rewards no response by itself; use reward.kind pairwise with anchors")
        self._source = source
        self._members = members
        self._heads = [_place_of(source.head, member) for member in members]
        self._scorers = _scorers(members, self._heads)

    @classmethod
    def opened(cls, source: FittedReward, fitted: Sequence[RewardRef], model: ModelConfig) -> Self:
        """Over reward models of the store. Raises UserError if they are too few or too many."""
        return cls(source, [open_reward(ref, model) for ref in fitted])

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Rewards of texts. Raises UserError for one that is longer than a member's context."""
        if not batch:
            return {"reward": []}
        scores = self.member_scores(batch)
        rewards = self._aggregate(scores)
        if len(scores) == 1:
            return {"reward": rewards.tolist()}
        spread = ensembles.disagreement(scores, self._source.variance)
        columns = {f"member_{number}": row.tolist() for number, row in enumerate(scores)}
        return {"reward": rewards.tolist(), **columns, "variance": spread.tolist()}

    def member_scores(self, batch: Sequence[Judged]) -> Tensor:
        """[members, rows] float32 on the CPU, standardised where the source asks for it."""
        scores = []
        for scorer, tokenizer, heads in self._scorers:
            found = TextBatch.encoded(tokenizer, batch).scores(scorer)
            scores += [found[:, place, head] for place, head in enumerate(heads)]
        table = torch.stack(scores)
        if not self._source.standardise:
            return table
        cards = [(member.card, head) for member, head in zip(self._members, self._heads, strict=True)]
        means = [card.mean[head] for card, head in cards]
        return ensembles.standardised(table, means, [card.standard_deviation[head] for card, head in cards])

    def _aggregate(self, scores: Tensor) -> Tensor:
        """[members, rows] -> [rows], pessimistic for rewards and for costs alike."""
        source, sign = self._source, 1.0 if self._members[0].card.higher_is_better else -1.0
        if source.aggregate == "worst_case":
            return sign * ensembles.worst_case(sign * scores)
        if source.aggregate == "uncertainty_weighted":
            return sign * ensembles.uncertainty_weighted(sign * scores, source.uncertainty_penalty, source.variance)
        return ensembles.mean(scores)


def _scorers(
    members: Sequence[OpenedReward], heads: Sequence[int]
) -> list[tuple[StackedNetworks, PreTrainedTokenizerBase, Sequence[int]]]:
    """All members in one where they read the same token ids and have one shape, else each alone."""
    networks = [member.network for member in members]
    if len({member.card.base for member in members}) == 1 and same_shape(networks):
        return [(StackedNetworks(networks), members[0].tokenizer, heads)]
    return [
        (StackedNetworks([member.network]), member.tokenizer, [head])
        for member, head in zip(members, heads, strict=True)
    ]


def _place_of(head: str, member: OpenedReward) -> int:
    heads = member.card.heads
    if head and head not in heads:
        raise UserError(f"reward.head: no head {head!r}; this reward model has {', '.join(heads)}")
    return heads.index(head) if head else 0
