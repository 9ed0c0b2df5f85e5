"""Metrics that every objective on pairs logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def pair_metrics(scores: Tensor) -> dict[str, Tensor]:
    """Means over pairs of ``scores`` [pairs, 2], the preferred response first; a tie counts half."""
    chosen, rejected = scores.detach().unbind(dim=1)
    return {
        "scores/chosen": chosen.mean(),
        "scores/rejected": rejected.mean(),
        "scores/margin": (chosen - rejected).mean(),
        "scores/accuracy": ((chosen > rejected).float() + 0.5 * (chosen == rejected).float()).mean(),
    }
