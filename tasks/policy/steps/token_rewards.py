"""Where reward enters a response: a KL penalty at every token, the score at the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tasks.models.kl import k1, k2, k3

if TYPE_CHECKING:
    from torch import Tensor

Values = TypeVar("Values")
KLEstimator = Literal["k1", "k2", "k3", "inverted_k3"]


def inverted_k3(log_ratio: Values) -> Values:
    """exp(r) - 1 - r for r = log pi - log pi_ref: k3 with its ratio upside down; never negative.

    Under samples of pi its mean is chi^2(pi || pi_ref) - KL(pi || pi_ref), no estimate of the KL, and it explodes where
    pi has moved to what pi_ref finds unlikely. It is what trlX feeds its adaptive controller with (and so the released
    ensembles code, arXiv 2310.02743) and the KL term in the loss of PAR's released GRPO (arXiv 2502.18770).
    """
    ratio: Any = log_ratio
    return k3(-ratio)


ESTIMATORS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"k1": k1, "k2": k2, "k3": k3, "inverted_k3": inverted_k3}
)
"""Each maps log pi - log pi_ref of tokens that pi has drawn to nats."""


def last_token(mask: Tensor) -> Tensor:
    """Position of the last real token of every response (EOS where it came), [rows] int64; 0 for an empty row.

    ``mask``: [rows, time] bool.
    """
    import torch

    return (mask * torch.arange(mask.shape[1], device=mask.device)).amax(-1)


def token_rewards(
    scores: Tensor,
    old_log_probs: Tensor,
    reference_log_probs: Tensor,
    mask: Tensor,
    coefficient: float,
    estimator: KLEstimator = "k1",
) -> Tensor:
    """-coefficient * estimator(log pi_old - log pi_ref) at every token, plus the score at the last; [rows, time] float.

    ``scores``: [rows], reward units. ``old_log_probs``, ``reference_log_probs``: [rows, time], nats, read inside
    ``mask`` [rows, time] bool only. Forced tokens are penalised like the others, as in DR-PO. The score stands on the
    response's own last token, EOS where it came, not on the first padding token as in TRL's PPO. Zero outside
    ``mask``; a row without tokens has nowhere to put its score and stays zero. Source: Ziegler et al. 2019; DR-PO,
    MA-RLHF and PAR cards (k1).
    """
    import torch

    penalty = coefficient * ESTIMATORS[estimator]((old_log_probs - reference_log_probs).where(mask, 0.0))
    positions = torch.arange(mask.shape[1], device=mask.device)
    at_end = (positions == last_token(mask)[:, None]) & mask
    return (scores[:, None] * at_end - penalty).where(mask, 0.0)
