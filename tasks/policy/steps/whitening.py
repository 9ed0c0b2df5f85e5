"""Whitening: numbers of a batch moved to mean 0 and scaled to variance 1, over masked positions only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["variance", "deviation"]
"""Where epsilon stands: (x - mean) / sqrt(variance + epsilon), or (x - mean) / (sqrt(variance) + epsilon)."""


def masked_moments(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance of ``values`` over ``mask``, scalars; zeros where nothing is masked."""
    count = mask.sum().clamp(min=1)
    mean = values.where(mask, 0.0).sum() / count
    return mean, (values - mean).where(mask, 0.0).square().sum() / count


def whiten(
    values: Tensor, mask: Tensor, keep_mean: bool = False, form: Form = "variance", epsilon: float = 1e-8
) -> Tensor:
    """Whiten ``values`` over the positions of ``mask``; both of one shape, result zero outside ``mask``.

    Variance is the population's (divided by n, not n - 1). ``keep_mean`` adds the mean back, which is how DR-PO's code
    (arXiv 2404.08495) whitens *rewards*: centred and scaled, not divided by the deviation alone. For advantages DR-PO
    and PAR (arXiv 2502.18770) have ``form`` variance, epsilon 1e-8. A batch of equal values becomes 0 (or the mean).
    """
    mean, variance = masked_moments(values, mask)
    scale = (variance + epsilon).sqrt() if form == "variance" else variance.sqrt() + epsilon
    whitened = (values - mean) / scale
    return (whitened + mean if keep_mean else whitened).where(mask, 0.0)
