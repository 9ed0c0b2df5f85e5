"""What one number a response is compared with: its group's other members, or rewards of earlier iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from torch import Tensor

Scale = Literal["sample", "population", "none"]


State = Mapping[str, float]
"""What an estimator remembers between iterations, as numbers that JSON holds; empty before the first."""


def updated_mean(state: State, rewards: Tensor, memory: float = 1.0) -> dict[str, float]:
    """``mean`` and ``weight`` of all rewards seen, with ``rewards`` [rows] added.

    What came before keeps ``memory`` in (0, 1] of its weight.
    """
    before = memory * state.get("weight", 0.0)
    weight = before + rewards.numel()
    total = before * state.get("mean", 0.0) + float(rewards.double().sum())
    return {"mean": total / max(weight, 1e-300), "weight": weight}


def leave_one_out(rewards: Tensor, groups: Tensor) -> Tensor:
    """Each of ``rewards`` [rows] minus the mean of the others with its number in ``groups`` [rows] int64; [rows].

    Raises UserError if a group has one member.
    """
    member, sizes = _members(groups)
    _refuse_lone(groups, sizes[member])
    values = rewards.double()
    others = (_group_sums(values, member, sizes)[member] - values) / (sizes[member] - 1)
    return (values - others).to(rewards.dtype)


def group_normalised(
    rewards: Tensor,
    groups: Tensor,
    scale: Scale = "sample",
    epsilon: float = 1e-6,
    lone: Literal["error", "zero"] = "error",
) -> Tensor:
    """(reward - group mean) / (group deviation + epsilon), [rows]; without a ``scale`` the difference alone.

    Computed in float64: rewards of a group that are equal give 0, not rounding noise blown up by a small epsilon.
    Raises UserError if a group has one member, unless ``lone`` is zero: its advantage is then 0.
    """
    member, sizes = _members(groups)
    if lone == "error":
        _refuse_lone(groups, sizes[member])
    values = rewards.double()
    centred = values - (_group_sums(values, member, sizes) / sizes)[member]
    if scale == "none":
        return centred.to(rewards.dtype)
    degrees = (sizes - 1 if scale == "sample" else sizes).clamp(min=1)
    deviation = (_group_sums(centred.square(), member, sizes) / degrees).sqrt()
    return (centred / (deviation[member] + epsilon)).to(rewards.dtype)


def _members(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Number of every row's group from 0, [rows], and size of every group, [groups]; int64."""
    import torch

    _, member, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    return member, sizes


def _group_sums(values: Tensor, member: Tensor, sizes: Tensor) -> Tensor:
    return values.new_zeros(len(sizes)).index_add(0, member, values)


def _refuse_lone(groups: Tensor, sizes: Tensor) -> None:
    if bool((sizes < 2).any()):
        count = int((sizes < 2).sum())
        raise UserError(
            f"{count} of {len(groups)} responses are the only one to their prompt (first: group "
            f"{int(groups[sizes < 2][0])}); a baseline from the group needs others: raise per_prompt to 2 or more, or "
            "let the filter keep more"
        )
