"""What an objective on single rewarded responses sees, and the shape that every such objective has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Weight = Literal["advantage", "reward", "none"]


@dataclass(frozen=True)
class RewardedResponses:
    """A batch of given responses with what they are worth.

    ``log_probs``: [batch, time] float, log pi(y_t | x, y_<t) in nats, 0 after a response's end; carries the gradient.
    ``reference``: the same under the frozen policy that stands for the behaviour policy, without gradient.
    ``lengths``: [batch] int64, tokens of each response, EOS among them. ``rewards``: [batch] float, R(x, y) in [0, 1].
    ``advantages``: [batch] float, R(x, y) - V_ref(x), of either sign.
    """

    log_probs: Tensor
    reference: Tensor
    lengths: Tensor
    rewards: Tensor
    advantages: Tensor

    @property
    def nll(self) -> Tensor:
        """[batch] -log pi(y | x), summed over tokens (A-LoL's code: "sum is better than mean")."""
        return -self.log_probs.sum(-1)

    @property
    def positive_advantages(self) -> Tensor:
        """[batch] max(A, 0)."""
        return self.advantages.clamp(min=0.0)

    def ratio(self) -> Tensor:
        """[batch] pi(y | x) / pi_ref(y | x), a constant: no gradient is followed."""
        return (self.log_probs.detach() - self.reference).sum(-1).exp()

    def token_ratios(self) -> Tensor:
        """[batch, time] pi / pi_ref of each token, a constant, 1 after a response's end."""
        return (self.log_probs.detach() - self.reference).exp()


class ResponseObjective(Protocol):
    """A loss on single rewarded responses: fields are its hyperparameters, ``loss`` is its formula."""

    weight: ClassVar[Weight]
    """What a response counts by, and so what priority sampling draws it by."""

    def loss(self, batch: RewardedResponses) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss over rows (scalar, with gradient) and detached scalar metrics."""
        ...


def weighted_likelihood(batch: RewardedResponses, weights: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """mean_i w_i NLL_i with constant weights [batch], and what every objective of the family logs."""
    weights = weights.detach()
    return (weights * batch.nll).mean(), likelihood_metrics(batch, weights)


def likelihood_metrics(batch: RewardedResponses, weights: Tensor) -> dict[str, Tensor]:
    """Detached scalars: likelihood, mean weight, reward and advantage of the batch, and its log-ratio."""
    log_probs = batch.log_probs.detach()
    return {
        "log_probs/token": log_probs.sum() / batch.lengths.sum().clamp(min=1),
        "log_probs/response": log_probs.sum(-1).mean(),
        "log_ratio/response": (log_probs - batch.reference).sum(-1).mean(),
        "weights/mean": weights.detach().mean(),
        "rewards/mean": batch.rewards.mean(),
        "advantages/mean": batch.advantages.mean(),
    }


def clipped(ratios: Tensor, clip: float) -> Tensor:
    """``ratios`` held within [1 - clip, 1 + clip]."""
    return ratios.clamp(1.0 - clip, 1.0 + clip)


def share_clipped(ratios: Tensor, clip: float) -> Tensor:
    """Share of ``ratios`` that the clip changes, a scalar."""
    return (clipped(ratios, clip) != ratios).to(ratios.dtype).mean()
