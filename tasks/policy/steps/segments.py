"""From the tokens at which macro actions start to the number of every token's macro action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def segments_from_starts(starts: Sequence[Sequence[int]], mask: Tensor) -> Tensor:
    """Number of every token's macro action, [rows, time] int64: from 0, never falling, -1 outside ``mask``.

    ``starts``: for every row, positions at which an action starts, 0 among them. A position given twice makes an empty
    action before the one that starts there. Raises ValueError if a row with tokens has no start at 0.
    """
    import torch

    rows, time = mask.shape
    counted = [[0] * time for _ in range(rows)]
    for row, positions in enumerate(starts):
        for position in positions:
            counted[row][position] += 1
    counts = torch.tensor(counted, device=mask.device)
    if bool((mask[:, 0] & (counts[:, 0] == 0)).any()):
        raise ValueError("the first token of a response must start a macro action")
    return (counts.cumsum(-1) - 1).where(mask, -1)


def response_lengths(mask: Tensor) -> list[int]:
    """Real tokens of every row."""
    lengths: list[int] = mask.sum(-1).tolist()
    return lengths


def last_token_alone(starts: Sequence[int], length: int) -> list[int]:
    """``starts`` with one more at the last token, even where one is already: so does MA-RLHF's released code.

    A start that is already there then makes an empty macro action, over which the value estimate is lost.
    """
    return [*starts, max(0, length - 1)]
