"""What every pairwise objective logs, under the names the field uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


def pair_metrics(group: ScoredGroup, rewards: Tensor) -> dict[str, Tensor]:
    """Batch means of implicit rewards and log-probabilities; detached float scalars.

    ``rewards``: [batch, 2], the objective's implicit reward of chosen and rejected (for DPO,
    beta * log(pi / pi_ref)). ``rewards/accuracy`` is the share of rows in [0, 1] whose chosen response has
    the strictly larger reward: it is 0, not 0.5, while policy and reference are the same. ``log_probs`` are
    nats per response, summed over tokens.
    """
    chosen, rejected = rewards.detach().unbind(dim=1)
    log_chosen, log_rejected = group.policy.detach().unbind(dim=1)
    return {
        "rewards/chosen": chosen.mean(),
        "rewards/rejected": rejected.mean(),
        "rewards/margin": (chosen - rejected).mean(),
        "rewards/accuracy": (chosen > rejected).to(chosen.dtype).mean(),
        "log_probs/chosen": log_chosen.mean(),
        "log_probs/rejected": log_rejected.mean(),
    }
