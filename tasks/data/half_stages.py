"""Halves of preference pairs as a Prefect task."""

from typing import Literal

from tasks.engine.refs import DatasetRef
from tasks.engine.stage import stage


@stage()
def take_half(pairs: DatasetRef, half: Literal["train", "test"]) -> DatasetRef:
    """The pairs of one half of the prompts; no prompt is in both."""
    from tasks.data import pair_halves

    return pair_halves.take_half(pairs, half)
