"""The members of an ensemble side by side: batches laid out once, and small ones read in one forward pass."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from tasks.models.packing import EncodedGroup, Packed
from tasks.reward.model import RewardNetwork, pack_whole

MOST_TOKENS = 128
"""Padded tokens up to which one pass over stacked weights beats a pass a member, measured on a CPU with five members
of 0.4 M parameters (1.3 times at 64 tokens, 0.75 times at 2,000): beyond it arithmetic counts, which is the same for
both, and attention over stacked weights has no fast kernel there."""
MOST_PARAMETERS = 2**24
"""Of a member; stacking keeps a second copy of every member's weights."""


class StackedNetworks(nn.Module):
    """Reward models of one shape that read the same texts; scores equal those of the members one by one."""

    def __init__(self, members: Sequence[RewardNetwork]) -> None:
        """Raises ValueError if the members' shapes differ (see ``same_shape``)."""
        super().__init__()
        if not same_shape(members):
            raise ValueError("members of different shapes cannot be stacked")
        self.members = nn.ModuleList(members)
        self._in_turn = list(members)
        self.body = members[0].body
        size = sum(value.numel() for value in members[0].parameters())
        self._stack = _Stack(members) if len(members) > 1 and size <= MOST_PARAMETERS else None

    def pooled(self, groups: Sequence[EncodedGroup]) -> Tensor:
        """Scores [all responses, members, heads], group by group. Raises UserError for a text that is too long."""
        return self.read(pack_whole(self.body, groups))

    def read(self, packed: Packed) -> Tensor:
        """Scores [all responses, members, heads] of what ``pack_whole`` laid out."""
        if self._stack and packed.input_ids.numel() <= MOST_TOKENS:
            return self._stack.read(packed)
        return torch.stack([member.read(packed) for member in self._in_turn], dim=1)


def same_shape(members: Sequence[RewardNetwork]) -> bool:
    """Whether all have the same architecture, weights of the same shapes and number format, and the same pooling."""
    return len({_shape(member) for member in members}) == 1


def _shape(member: RewardNetwork) -> tuple[object, ...]:
    weights = tuple((name, value.shape, value.dtype) for name, value in member.named_parameters())
    return (member.body.config.model_type, member.pooling, weights)


class _Stack:
    """Weights of all members behind one another, and one member without weights to run with each of them."""

    def __init__(self, members: Sequence[RewardNetwork]) -> None:
        readers = [_Reader(member) for member in members]
        self._state = stack_module_state(readers)
        self._reader = copy.deepcopy(readers[0]).to("meta")

    def read(self, packed: Packed) -> Tensor:
        """Scores [all responses, members, heads]."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return functional_call(self._reader, (parameters, buffers), (packed,))

        return torch.vmap(one, out_dims=1)(*self._state)


class _Reader(nn.Module):
    """``RewardNetwork.read`` as a module's ``forward``, which is what ``functional_call`` calls."""

    def __init__(self, network: RewardNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, packed: Packed) -> Tensor:
        return self.network.read(packed)
