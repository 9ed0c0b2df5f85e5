"""From one number a token to one number a batch: the four averages that papers mean by "mean loss".

All of them compose: over micro-batches or processes that share a batch, ``reduce`` each part with ``over`` =
``denominator`` of the *whole* batch and add the parts up. The sum is the whole batch's value and gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Reduction = Literal["token_mean", "sequence_mean", "sequence_sum", "constant"]
"""``token_mean``: sum over tokens / tokens of the batch (DR-PO, MA-RLHF, PAR). ``sequence_mean``: mean over responses
of a response's mean (OpenRLHF, PF-PPO; GRPO). ``sequence_sum``: mean over responses of a response's sum (REINFORCE with
log pi(y), HC-RLHF, CGPO). ``constant``: sum / (responses * width), width the same for all batches (Dr. GRPO)."""


def denominator(mask: Tensor, mode: Reduction, width: int | None = None) -> Tensor:
    """What the batch's sum is divided by: tokens, responses or responses * ``width``; scalar float32, at least 1.

    ``mask``: [rows, time] bool. Responses without a single masked token are no responses for the two sequence modes;
    ``constant`` counts every row. Raises ValueError for ``constant`` without a ``width``.
    """
    if mode == "token_mean":
        return mask.sum().clamp(min=1).float()
    if mode == "constant":
        if not width:
            raise ValueError("reduction 'constant' divides by rows * width: give width, in tokens")
        return mask.float().new_tensor(float(max(1, len(mask)) * width))
    return mask.any(-1).sum().clamp(min=1).float()


def reduce(
    values: Tensor, mask: Tensor, mode: Reduction, width: int | None = None, over: Tensor | None = None
) -> Tensor:
    """Average ``values`` [rows, time] float over ``mask`` [rows, time] bool; scalar, keeps gradients.

    ``over``: the denominator of the batch that these rows are a part of; by default these rows are the batch. Nothing
    outside ``mask`` is read, and a batch without a masked token gives 0. Raises as ``denominator``.
    """
    over = denominator(mask, mode, width) if over is None else over
    kept = values.where(mask, 0.0)
    if mode == "sequence_mean":
        kept = kept.sum(-1) / mask.sum(-1).clamp(min=1)
    return kept.sum() / over
