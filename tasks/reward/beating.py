"""Reward by a pairwise judge: the probability of beating a fixed answer to the same prompt."""

from collections.abc import Sequence
from typing import Required

import torch
from torch import Tensor

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.packing import EncodedGroup
from tasks.reward.judged import Judged
from tasks.reward.model import score_groups
from tasks.reward.objectives.pairwise_judge import win_probability
from tasks.reward.pairwise import HEAD, ordered
from tasks.reward.sources import PairwiseReward
from tasks.reward.storing import open_reward


class AnchorRow(PromptRow, total=False):
    """A prompt with the answer to beat: ``response``, or of a pair the ``chosen`` one."""

    prompt_id: Required[str]
    response: str
    chosen: str


class PairwiseRewards:
    """A ``RewardFunction``: ``reward``, ``win_probability`` and each order's, ``as_first``, ``as_second``."""

    def __init__(self, source: PairwiseReward, fitted: Sequence[RewardRef], model: ModelConfig) -> None:
        """Raises UserError unless ``fitted`` is one pairwise judge and every anchor row has an answer."""
        if len(fitted) != 1:
            raise UserError(f"reward.kind pairwise wants one pairwise judge, {len(fitted)} models were given")
        self._judge = open_reward(fitted[0], model)
        if self._judge.card.heads != [HEAD]:
            raise UserError("reward.kind pairwise wants a judge that fit_pairwise made; use kind fitted for this model")
        self._source = source
        rows = read_rows_of(source.anchors, AnchorRow)
        self._anchors = {row["prompt_id"]: row.get("response") or row.get("chosen") or "" for row in rows}

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Rewards against the anchors. Raises UserError for a prompt without one, or a pair that is too long."""
        first, second = self._read(batch)
        as_first, as_second = first.sigmoid(), 1.0 - second.sigmoid()
        wins = win_probability(first, second) if self._source.orders == "both" else as_first
        rewards = {"probability": wins, "log_probability": wins.log(), "logit": wins.logit()}[self._source.output]
        columns = {"reward": rewards, "win_probability": wins, "as_first": as_first, "as_second": as_second}
        return {name: values.tolist() for name, values in columns.items()}

    def _read(self, batch: Sequence[Judged]) -> tuple[Tensor, Tensor]:
        """z(y, anchor) and z(anchor, y), [rows] float64 each; equal rows are read once."""
        missing = [one.prompt["prompt_id"] for one in batch if one.prompt["prompt_id"] not in self._anchors]
        if missing:
            raise UserError(f"reward.anchors: no answer to beat for prompt {missing[0]} ({len(missing)} rows); add it")
        keys = [(one.prompt["prompt_id"], one.response, one.finished) for one in batch]
        distinct = dict(zip(keys, batch, strict=True))
        groups = [self._group(one) for one in distinct.values()]
        orders = [ordered(group) for group in groups] + [ordered(group, 1, 0) for group in groups]
        scores = torch.cat([torch.empty(0, 1), *score_groups(self._judge.network, orders)]).double()
        places = {key: number for number, key in enumerate(distinct)}
        first, second = scores.view(2, len(groups))[:, [places[key] for key in keys]]
        return first, second

    def _group(self, one: Judged) -> EncodedGroup:
        tokenizer = self._judge.tokenizer
        answer = encode_response(tokenizer, one.response, eos=one.finished)
        anchor = encode_response(tokenizer, self._anchors[one.prompt["prompt_id"]])
        return EncodedGroup(encode_prompt(tokenizer, one.prompt["prompt"]), [answer, anchor])
