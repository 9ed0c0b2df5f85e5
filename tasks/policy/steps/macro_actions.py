"""Macro actions: tokens of a response put together to one step of the return (MA-RLHF, arXiv 2410.02743).

``segments`` [rows, time] int64 gives every token the number of its macro action: from 0, never falling, -1 at padding.
A number that no token has is an empty macro action: a step of its own with reward 0 and value 0. Only the released code
makes such steps (see ``termination_rules.FixedNGram``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor

ValuePooling = Literal["equal", "last", "position"]


class MacroPooling(Frozen):
    """Reward and value of a macro action, from those of its tokens. With one token an action nothing is pooled."""

    rewards: Literal["sum", "mean"] = Field(
        "sum",
        description="Reward of a macro action: the sum over its tokens (paper, rho = 1), or the mean (released code, "
        "where a KL penalty shrinks by the action's length)",
    )
    values: ValuePooling = Field(
        "equal",
        description="Value of a macro action: mean over its tokens (equal), that of its last token (the paper's unit), "
        "or a mean with weights 1 / (length - i), i from 0 (position; the released code turns them round)",
    )


class MacroSteps(NamedTuple):
    """Responses as sequences of macro actions, right-padded."""

    rewards: Tensor
    """[rows, actions], zero outside ``mask``."""
    values: Tensor
    """[rows, actions], zero outside ``mask``."""
    mask: Tensor
    """[rows, actions] bool: actions that the response has, empty ones included."""


def pool_steps(token_rewards: Tensor, values: Tensor, segments: Tensor, pooling: MacroPooling) -> MacroSteps:
    """Rewards and values of macro actions from those of tokens, both [rows, time], read where ``segments`` >= 0."""
    lengths = action_lengths(segments)
    rewards = sum_by_action(token_rewards, segments)
    if pooling.rewards == "mean":
        rewards = rewards / lengths.clamp(min=1)
    weights = _value_weights(segments, lengths, pooling.values)
    pooled = sum_by_action(values.where(segments >= 0, 0.0) * weights, segments)
    return MacroSteps(rewards, pooled / sum_by_action(weights, segments).where(lengths > 0, 1.0), action_mask(segments))


def sum_by_action(values: Tensor, segments: Tensor) -> Tensor:
    """[rows, time] -> [rows, actions]: the sum over each macro action's tokens; keeps gradients."""
    kept = values.where(segments >= 0, 0.0)
    return kept.new_zeros(len(segments), _actions(segments)).scatter_add(1, segments.clamp(min=0), kept)


def action_lengths(segments: Tensor) -> Tensor:
    """Tokens of each macro action, [rows, actions] int64."""
    lengths = segments.new_zeros(len(segments), _actions(segments))
    return lengths.scatter_add(1, segments.clamp(min=0), (segments >= 0).long())


def action_mask(segments: Tensor) -> Tensor:
    """[rows, actions] bool: numbers up to the response's last."""
    import torch

    return torch.arange(_actions(segments), device=segments.device) <= segments.amax(-1, keepdim=True)


def spread_to_tokens(per_action: Tensor, segments: Tensor) -> Tensor:
    """[rows, actions] -> [rows, time]: every token gets its macro action's number, padding gets zero."""
    return per_action.gather(1, segments.clamp(min=0)).where(segments >= 0, 0.0)


def _actions(segments: Tensor) -> int:
    return max(1, int(segments.max()) + 1)


def _value_weights(segments: Tensor, lengths: Tensor, pooling: ValuePooling) -> Tensor:
    """[rows, time] float32, not normalised."""
    import torch

    left = _tokens_to_the_end(segments, lengths)
    if pooling == "equal":
        return torch.ones_like(left)
    return (left == 1.0).float() if pooling == "last" else 1.0 / left


def _tokens_to_the_end(segments: Tensor, lengths: Tensor) -> Tensor:
    """length - i for the i-th token (from 0) of a macro action, 1 at padding; [rows, time] float32."""
    import torch

    ends = lengths.cumsum(-1).gather(1, segments.clamp(min=0))
    positions = torch.arange(segments.shape[1], device=segments.device)
    return (ends - positions).where(segments >= 0, 1).float()
