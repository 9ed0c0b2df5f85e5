"""Log-probabilities a token, which some objectives compare in place of sums over the response."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def per_token(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """``log_probs`` over ``lengths``, both of one shape; nats a token, EOS counted.

    A response without tokens counts as one of length 1 (SimPO issue 35: 0 / 0 there ends training).
    """
    return log_probs / lengths.clamp(min=1)
