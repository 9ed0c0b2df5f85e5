"""Prompts and responses as tensors: the inputs of the body, and where the scored tokens are predicted.

Responses that share a prompt can be laid out behind one copy of it::

    tokens     p0 p1 p2 | a0 a1 | b0 b1 b2
    positions   0  1  2 |  3  4 |  3  4  5
    segment     0  0  0 |  1  1 |  2  2  2

Every token sees the prompt and the earlier tokens of its own segment, so the hidden states are those of the
separate sequences, for fewer tokens. The last token of a response predicts nothing and is left out of the
input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tasks.engine.schema import UserError


class EncodedGroup(NamedTuple):
    """Token ids of one prompt and of the responses to it; every id of a response is scored."""

    prompt: list[int]
    responses: list[list[int]]


@dataclass(frozen=True)
class Packed:
    """A batch of groups, ready for the body of a model. Responses are numbered group by group."""

    input_ids: Tensor
    """[rows, time] int64, padded on the right."""
    position_ids: Tensor | None
    """[rows, time] int64 where responses share prompts, else None (counted from 0)."""
    attention_mask: Tensor | None
    """[rows, 1, time, time] bool, true where a token may look, else None (plainly causal)."""
    predictors: Tensor
    """[scored] int64, index into rows x time of the position that predicts each scored token."""
    labels: Tensor
    """[scored] int64, the scored tokens."""
    lengths: Tensor
    """[responses] int64, scored tokens of each response; their sum is ``scored``."""

    def to(self, device: torch.device) -> Self:
        """The same batch on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def by_response(self, values: Tensor) -> Tensor:
        """Lay out values of scored tokens, [scored], as [responses, longest] with zeros after each end."""
        mask = self.response_mask()
        laid_out = values.new_zeros(mask.shape)
        laid_out[mask] = values
        return laid_out

    def response_mask(self) -> Tensor:
        """[responses, longest] bool, true at scored tokens."""
        longest = int(self.lengths.max())
        return torch.arange(longest, device=self.lengths.device)[None, :] < self.lengths[:, None]


def pack(groups: Sequence[EncodedGroup], pad_id: int, share_prefix: bool) -> Packed:
    """Lay groups out, one row a group when prompts are shared and one row a response when they are not.

    Raises:
        ValueError: a prompt without tokens (nothing would predict the response's first token).
    """
    if any(not group.prompt for group in groups):
        raise ValueError("every prompt needs at least one token")
    rows = list(groups) if share_prefix else _apart(groups)
    tokens, places, parts, predictors = zip(*(_layout(row) for row in rows), strict=True)
    time = max(len(row) for row in tokens)
    several = any(len(row.responses) > 1 for row in rows)
    return Packed(
        input_ids=_padded(tokens, time, pad_id),
        position_ids=_padded(places, time, 0) if several else None,
        attention_mask=_sees(_padded(parts, time, -1)) if several else None,
        predictors=_int64([row * time + index for row, indices in enumerate(predictors) for index in indices]),
        labels=_int64([token for row in rows for response in row.responses for token in response]),
        lengths=_int64([len(response) for row in rows for response in row.responses]),
    )


def _apart(groups: Sequence[EncodedGroup]) -> list[EncodedGroup]:
    return [EncodedGroup(group.prompt, [response]) for group in groups for response in group.responses]


def _layout(row: EncodedGroup) -> tuple[list[int], list[int], list[int], list[int]]:
    """Tokens, positions and segments of one row, [length] each, and the predictors of its scored tokens."""
    start = len(row.prompt)
    tokens, places, parts = list(row.prompt), list(range(start)), [0] * start
    predictors: list[int] = []
    for part, response in enumerate(row.responses, start=1):
        inputs = response[:-1]
        predictors += [start - 1, *range(len(tokens), len(tokens) + len(inputs))] if response else []
        tokens += inputs
        places += range(start, start + len(inputs))
        parts += [part] * len(inputs)
    return tokens, places, parts, predictors


def _padded(rows: Sequence[list[int]], time: int, fill: int) -> Tensor:
    return _int64([row + [fill] * (time - len(row)) for row in rows])


def _int64(values: list[int] | list[list[int]]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def _sees(segments: Tensor) -> Tensor:
    """[rows, time] segments -> [rows, 1, time, time] bool; padding sees the prompt, so no query is empty."""
    query, key = segments[:, :, None], segments[:, None, :]
    causal = torch.ones(segments.shape[1], segments.shape[1], dtype=torch.bool).tril()
    return (causal & ((key == 0) | (key == query)))[:, None]


def require_fit(groups: Sequence[EncodedGroup], limit: int) -> None:
    """Refuse groups with a prompt and response longer than ``limit`` tokens, naming the first such row."""
    for row, group in enumerate(groups):
        longest = len(group.prompt) + max((len(response) for response in group.responses), default=0)
        if longest > limit:
            raise UserError(
                f"row {row}: prompt and response take {longest} tokens and the model reads {limit}; "
                "filter or shorten such rows first"
            )


def sharing_pays(groups: Sequence[EncodedGroup], hidden_size: int) -> bool:
    """Whether one copy of each prompt costs less arithmetic than one copy a response.

    Unit: one query-key pair in one layer, 2 x hidden multiplications. Linear layers take about 12 x hidden^2
    a token, which is 6 x hidden pairs. Shared rows attend through an explicit mask and compute every pair;
    separate rows are causal and compute half. On a CPU this predicted the measured ratio within 15 % for
    prompts of 10 to 256 tokens.
    """
    shared = separate = 0.0
    for prompt, responses in groups:
        row = len(prompt) + sum(map(len, responses))
        shared += row * (6 * hidden_size + row)
        alone = [len(prompt) + len(response) for response in responses]
        separate += sum(length * (6 * hidden_size + length / 2) for length in alone)
    return shared < separate
