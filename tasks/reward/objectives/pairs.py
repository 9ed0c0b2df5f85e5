"""What an objective of reward fitting reads: the scores of compared responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ScoredPairs:
    """Scores of a batch of pairs, the preferred response first."""

    scores: Tensor
    """[pairs, 2, heads] float32 with gradient: r(x, y) at the last token of each response."""
    lengths: Tensor
    """[pairs, 2] int64: tokens of each response, EOS included."""
    head: Tensor
    """[heads, hidden] with gradient: weights of the linear heads."""
    unsafe: Tensor | None = None
    """[pairs, 2] bool: which responses are harmful, where the data say so."""
    tokens: Tensor | None = None
    """[pairs, 2, time, heads] float32 with gradient: scores after every token, zero after a response's end."""
    first_difference: Tensor | None = None
    """[pairs] int64: index of the first token at which the two responses differ."""
