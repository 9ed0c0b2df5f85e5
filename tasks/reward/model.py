"""A reward model: the body of a language model and linear heads on the last token of a response."""

from collections.abc import Sequence
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tasks.models.batching import plan_scoring
from tasks.models.packing import EncodedGroup, Packed, pack, require_fit, sharing_pays
from tasks.models.parts import can_share_prefix, causal_lm, context_length, evaluating, run_body
from tasks.models.reference import MAX_TOKENS

Pooling = Literal["last_token", "mean"]
UNREAD = 0
"""Stands after a response: ``pack`` leaves the last token of a response out of the input, and here it counts."""


class RewardNetwork(nn.Module):
    """r(x, y) = W h(last token of y), or the mean of W h over the tokens of y; ``body`` gives h, ``head`` is W.

    ``head`` is [heads, hidden]. The last token is where papers read (Stiennon et al. 2020, 2009.01325, section 3.3).
    A small model trained from scratch has never read its own EOS, and does not learn to within a few thousand pairs:
    it is read at every token. Responses of a group share one copy of their prompt where that saves work. Scores are
    float32 whatever the body's number format.
    """

    def __init__(self, body: PreTrainedModel, head: nn.Linear, pooling: Pooling = "last_token") -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.pooling = pooling

    def forward(self, groups: Sequence[EncodedGroup], every_token: bool = False) -> Tensor:
        """Scores of groups with equally many responses, with gradient.

        Returns [groups, responses, heads], read at each response's last token (at the prompt's last token where a
        response is empty) or as the mean over its tokens; with ``every_token`` [groups, responses, time, heads], read
        after each token, zero after a response's end. Raises UserError if a prompt with a response is longer than the
        body's context.
        """
        packed = pack_whole(self.body, groups)
        read = self._every_token(packed) if every_token else self.read(packed)
        return read.unflatten(0, (len(groups), -1))

    def pooled(self, groups: Sequence[EncodedGroup]) -> Tensor:
        """Scores [all responses, heads], group by group, where groups differ in size."""
        return self.read(pack_whole(self.body, groups))

    def read(self, packed: Packed) -> Tensor:
        """Scores [all responses, heads] of what ``pack_whole`` laid out."""
        if self.pooling == "mean":
            tokens = (packed.lengths - 1).clamp(min=1)[:, None]
            return self._every_token(packed).sum(1) / tokens
        ends = packed.predictors[packed.lengths.cumsum(0) - 1]
        return self._read_at(packed, ends)

    def _every_token(self, packed: Packed) -> Tensor:
        values = self._read_at(packed, packed.predictors)
        mask = packed.response_mask()
        laid_out = values.new_zeros(*mask.shape, values.shape[-1])
        laid_out[mask] = values
        return laid_out[:, 1:]

    def _read_at(self, packed: Packed, places: Tensor) -> Tensor:
        hidden = run_body(
            self.body,
            input_ids=packed.input_ids,
            position_ids=packed.position_ids,
            attention_mask=packed.attention_mask,
        )
        return self.head(hidden.flatten(0, 1).index_select(0, places).float())


def pack_whole(body: PreTrainedModel, groups: Sequence[EncodedGroup]) -> Packed:
    """Lay groups out on the body's device with every token of the responses in the input.

    ``lengths`` and ``predictors`` count one place more a response than it has tokens: the first is the prompt's last
    token, the last is the response's. Raises UserError if a prompt with a response is longer than the context.
    """
    require_fit(groups, context_length(body))
    shared = can_share_prefix(body) and sharing_pays(groups, body.config.hidden_size)
    whole = [EncodedGroup(prompt, [[*one, UNREAD] for one in responses]) for prompt, responses in groups]
    return pack(whole, body.config.pad_token_id or 0, shared).to(body.device)


def new_network(policy: nn.Module, heads: int, seed: int, pooling: Pooling = "last_token") -> RewardNetwork:
    """A reward model on the body of ``policy``, which it shares; LoRA adapters in it are kept.

    Heads begin at N(0, 1 / (hidden + 1)) (Stiennon et al. 2020, appendix B.1), drawn from ``seed`` alone; global
    random states are left as they are.
    """
    lm = causal_lm(policy)
    hidden = lm.config.hidden_size
    draw = torch.randn(heads, hidden, generator=torch.Generator().manual_seed(seed)) / (hidden + 1) ** 0.5
    head = nn.Linear(hidden, heads, bias=False)
    with torch.no_grad():
        head.weight.copy_(draw)
    return RewardNetwork(lm.base_model, head.to(lm.device), pooling)


class Scorer(Protocol):
    """A module that scores: a ``RewardNetwork``, or several side by side."""

    body: PreTrainedModel

    def pooled(self, groups: Sequence[EncodedGroup]) -> Tensor:
        """Scores [all responses, ...], group by group."""
        ...


def score_groups(
    network: Scorer, groups: Sequence[EncodedGroup], max_tokens_per_batch: int = MAX_TOKENS
) -> list[Tensor]:
    """Scores without gradient, [responses, ...] on the CPU for each group; groups may differ in size.

    Raises:
        UserError: a prompt with a response is longer than the body's context.
    """
    require_fit(groups, context_length(network.body))
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    found: list[Tensor] = [torch.empty(0)] * len(groups)
    with evaluating(cast("nn.Module", network)):
        for batch in plan_scoring(lengths, max_tokens_per_batch):
            part = [groups[index] for index in batch]
            scores = network.pooled(part).cpu().split([len(group.responses) for group in part])
            for index, values in zip(batch, scores, strict=True):
                found[index] = values
    return found
