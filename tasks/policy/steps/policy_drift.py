"""How far a policy has moved from the one that sampled, while it learns from those samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.policy.steps.reduction import reduce
from tasks.policy.steps.token_rewards import ESTIMATORS

if TYPE_CHECKING:
    from torch import Tensor


def drift(log_ratio: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """``approx_kl`` (k3), ``approx_kl_k1``, ``ratio_mean``, ``ratio_max``; detached scalars.

    ``log_ratio``: [rows, time], log pi_new - log pi_old of tokens that pi_old has drawn, so both estimates are of
    KL(pi_old || pi_new), in nats a token. ``ratio_max`` is 1 where nothing is masked.
    """
    log_ratio = log_ratio.detach().where(mask, 0.0)
    ratio = log_ratio.exp()
    return {
        "approx_kl": reduce(ESTIMATORS["k3"](-log_ratio), mask, "token_mean"),
        "approx_kl_k1": reduce(-log_ratio, mask, "token_mean"),
        "ratio_mean": reduce(ratio, mask, "token_mean"),
        "ratio_max": ratio.where(mask, 0.0).amax() if bool(mask.any()) else ratio.new_ones(()),
    }


def clipped_share(plain: Tensor, clipped: Tensor, mask: Tensor) -> Tensor:
    """Share in [0, 1] of masked positions where clipping decides the loss, so that no gradient comes; detached."""
    return reduce((clipped > plain).to(plain.dtype), mask, "token_mean")
