"""What the tests of objectives share: groups written down as numbers, in float64."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup

Rows = Sequence[Sequence[float]]


def scored(
    policy: Rows,
    *,
    lengths: Sequence[Sequence[int]] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    requires_grad: bool = False,
    **anchors: Rows,
) -> ScoredGroup:
    """A group of [batch][group] log-probabilities; anchors by name, five tokens a response unless told."""
    scores = torch.tensor(policy, dtype=torch.float64, requires_grad=requires_grad)
    counts = torch.full(scores.shape, 5) if lengths is None else torch.tensor(lengths)
    frozen = {name: torch.tensor(values, dtype=torch.float64) for name, values in anchors.items()}
    extras = {name: torch.tensor(values, dtype=torch.float64) for name, values in (columns or {}).items()}
    return ScoredGroup(scores, frozen, counts, extras)


def value(objective: Objective, group: ScoredGroup) -> float:
    """The loss as a number."""
    return objective.loss(group)[0].item()


def gradient(objective: Objective, group: ScoredGroup) -> Tensor:
    """d loss / d policy, [batch, group]."""
    scores = group.policy.detach().clone().requires_grad_()
    loss, _ = objective.loss(ScoredGroup(scores, group.anchors, group.lengths, group.columns))
    (found,) = torch.autograd.grad(loss, scores)
    return found


def agrees_with_finite_differences(objective: Objective, group: ScoredGroup) -> bool:
    """Whether the gradient in the policy's scores is that of the loss; raises where it is not."""

    def loss(scores: Tensor) -> Tensor:
        return objective.loss(ScoredGroup(scores, group.anchors, group.lengths, group.columns))[0]

    return bool(torch.autograd.gradcheck(loss, (group.policy.detach().clone().requires_grad_(),)))
