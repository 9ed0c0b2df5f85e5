"""Rollouts as tensors: the constants that advantages and losses are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

import torch
from torch import Tensor

from tasks.models.packing import EncodedGroup
from tasks.policy.rollouts import Rollout

PADDING = -1


@dataclass(frozen=True)
class Experience:
    """Responses of one iteration. Rows that share a prompt stand together; [rows, time] is padded on the right."""

    prompt_ids: Tensor
    """[rows, longest prompt] int64, -1 after a prompt's end."""
    response_ids: Tensor
    """[rows, time] int64, -1 after a response's end."""
    groups: Tensor
    """[rows] int64: responses to one prompt share a number."""
    mask: Tensor
    """[rows, time] bool: tokens of the response, its forced prefix and EOS among them."""
    forced: Tensor
    """[rows, time] bool: tokens that were given, not sampled."""
    old_log_probs: Tensor
    reference_log_probs: Tensor
    values: Tensor
    """[rows, time] float32 each: of the policy that sampled, of the frozen reference, of the value model."""
    scores: Tensor
    """[rows] float32: what the response is worth after shaping."""
    advantages: Tensor
    returns: Tensor
    """[rows, time] float32: what the losses want."""
    segments: Tensor
    """[rows, time] int64: number of the macro action that a token belongs to, -1 after the end."""

    @property
    def trainable(self) -> Tensor:
        """[rows, time] bool: tokens that the policy has chosen itself."""
        return self.mask & ~self.forced

    def select(self, rows: Tensor) -> "Experience":
        """Some rows, in the order given; as wide as the longest response among them."""
        time = int(self.mask[rows].sum(-1).max())
        taken = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        kept = {"prompt_ids", "groups", "scores"}
        return Experience(**{name: value if name in kept else value[:, :time] for name, value in taken.items()})

    def encoded(self) -> list[EncodedGroup]:
        """Token ids, neighbours with the same prompt in one group: scored in the rows' order."""
        prompts, responses = _unpadded(self.prompt_ids), _unpadded(self.response_ids)
        found: list[EncodedGroup] = []
        for _, members in groupby(range(len(prompts)), key=lambda row: int(self.groups[row])):
            rows = list(members)
            found.append(EncodedGroup(prompts[rows[0]], [responses[row] for row in rows]))
        return found

    def to(self, device: torch.device) -> "Experience":
        """The same rows on another device."""
        return Experience(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def state(self, prefix: str) -> dict[str, Tensor]:
        """Tensors to keep in a checkpoint, named below ``prefix``."""
        return {f"{prefix}/{field.name}": getattr(self, field.name) for field in fields(self)}


def from_state(tensors: Mapping[str, Tensor], prefix: str) -> Experience:
    """The experience that ``state`` gave."""
    return Experience(**{field.name: tensors[f"{prefix}/{field.name}"] for field in fields(Experience)})


def experience_of(rollouts: Sequence[Rollout], device: torch.device) -> Experience:
    """Ids and masks of ``rollouts``; everything that a model or a reward has to say is zero yet."""
    responses = _padded([one.ids for one in rollouts], device)
    mask = responses != PADDING
    forced = torch.arange(responses.shape[1], device=device) < torch.tensor(
        [[one.forced] for one in rollouts], device=device
    )
    zeros = torch.zeros(responses.shape, device=device)
    number: dict[str, int] = {}
    groups = [number.setdefault(one.row["prompt_id"], len(number)) for one in rollouts]
    return Experience(
        prompt_ids=_padded([one.prompt for one in rollouts], device),
        response_ids=responses,
        groups=torch.tensor(groups, device=device),
        mask=mask,
        forced=forced & mask,
        old_log_probs=zeros,
        reference_log_probs=zeros,
        values=zeros,
        scores=zeros[:, 0],
        advantages=zeros,
        returns=zeros,
        segments=torch.where(mask, torch.arange(mask.shape[1], device=device), PADDING),
    )


def minibatches(experience: Experience, count: int, generator: torch.Generator) -> list[Experience]:
    """Split into ``count`` parts by prompt at random, none empty; rows of a prompt stay together."""
    if count == 1:
        return [experience]
    numbers = experience.groups.unique()
    order = numbers[torch.randperm(len(numbers), generator=generator).to(numbers.device)]
    parts = [torch.isin(experience.groups, part) for part in order.tensor_split(min(count, len(numbers)))]
    return [experience.select(part.nonzero().squeeze(-1)) for part in parts]


def _padded(rows: Sequence[list[int]], device: torch.device) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows], device=device)


def _unpadded(ids: Tensor) -> list[list[int]]:
    lengths = (ids != PADDING).sum(-1).tolist()
    return [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]
