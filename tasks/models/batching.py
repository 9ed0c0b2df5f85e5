"""Which examples go into a batch together: similar lengths, so that little is spent on padding."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tasks.engine.schema import UserError


def plan_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epochs: int, chunk_batches: int = 8
) -> list[list[int]]:
    """Training batches of exactly ``batch_size`` indices, epoch after epoch; equal arguments, equal plan.

    Every epoch shuffles the examples, cuts them into chunks of ``chunk_batches`` batches, sorts inside a
    chunk by length, and shuffles the batches. So a batch holds similar lengths, while its members and its
    place change with every epoch and seed. Within an epoch an example comes up at most once; the
    ``len(lengths) % batch_size`` examples that would make a smaller batch are left out, other ones every
    epoch.

    Raises:
        UserError: fewer examples than ``batch_size``.
    """
    if len(lengths) < batch_size:
        raise UserError(f"{len(lengths)} examples cannot fill a batch of {batch_size}; lower batch_size or add data")
    return [
        batch
        for epoch in range(epochs)
        for batch in _one_epoch(np.asarray(lengths), batch_size, np.random.default_rng([seed, epoch]), chunk_batches)
    ]


def _one_epoch(
    lengths: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    batch_size: int,
    rng: np.random.Generator,
    chunk_batches: int,
) -> list[list[int]]:
    order = rng.permutation(len(lengths))[: len(lengths) // batch_size * batch_size]
    batches: list[list[int]] = []
    for start in range(0, len(order), chunk_batches * batch_size):
        chunk = order[start : start + chunk_batches * batch_size]
        by_length = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += by_length.reshape(-1, batch_size).tolist()
    return [batches[index] for index in rng.permutation(len(batches))]


def plan_scoring(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Batches for work without gradients: every index once, rows x longest row <= ``max_tokens``.

    A row longer than ``max_tokens`` gets a batch of its own. The longest come first so that a batch too large
    for the memory fails at once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def pad_right(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Stack id lists: (ids [rows, time] int64, mask [rows, time] bool, true at real tokens)."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    ids = torch.full(mask.shape, pad_id)
    ids[mask] = torch.tensor([token for sequence in sequences for token in sequence])
    return ids, mask
