"""A KV cache with room to grow, so that a new token is written beside the old ones and they are not copied for it."""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

STEP = 64
"""Tokens that the room grows by."""


class GrowingLayer(DynamicLayer):
    """``DynamicLayer`` whose keys and values [rows, heads, tokens, width] are views of larger buffers.

    For inference alone: buffers are written in place.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rooms: list[Tensor | None] = [None, None]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append the new keys and values; all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        self.keys = self._append(0, self.keys, key_states, length)
        self.values = self._append(1, self.values, value_states, length)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the rows ``indices``; what is selected is a copy, so the buffers are given up."""
        super().batch_select_indices(indices)
        self._rooms = [None, None]

    def _append(self, place: int, held: Tensor, new: Tensor, length: int) -> Tensor:
        rows, heads, added, width = new.shape
        room = self._rooms[place]
        if room is None or room.shape[2] < length + added:
            capacity = (length + added + STEP) // STEP * STEP
            room = self._rooms[place] = torch.empty(
                (rows, heads, capacity, width), dtype=new.dtype, device=new.device
            )  # fmt: skip
            if length:
                room[:, :, :length] = held
        room[:, :, length : length + added] = new
        return room[:, :, : length + added]


def growing_cache(config: PretrainedConfig) -> DynamicCache:
    """An empty cache for a model of ``config``; layers of other kinds (sliding windows) stay as they are."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
