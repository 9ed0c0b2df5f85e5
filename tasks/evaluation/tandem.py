"""Do two training runs leave the same weights? The check of a tandem experiment."""

from itertools import zip_longest

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from tasks.data.tables import store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, Scores
from tasks.engine.store import Store


def compare_weights(one: CheckpointSeries, other: CheckpointSeries) -> Scores:
    """Metric ``same_weights``: 1 for every weight tensor of every checkpoint that is equal bit for bit, 0 for others.

    Rows are named by checkpoint and tensor. A tensor that only one run has, and so every tensor of a checkpoint that
    only one run kept, counts as different.
    """
    rows = [
        (f"checkpoint-{place:04d}/{name}", float(same))
        for place, (left, right) in enumerate(zip_longest(one.checkpoints, other.checkpoints))
        for name, same in equal_tensors(weights_of(left), weights_of(right)).items()
    ]
    table = pd.DataFrame(rows, columns=["prompt_id", "value"]).assign(metric="same_weights", point="")
    return store_scores(table[["prompt_id", "metric", "value", "point"]])


def equal_tensors(left: dict[str, Tensor], right: dict[str, Tensor]) -> dict[str, bool]:
    """Name → whether both have a tensor of this name, dtype, shape and bits."""
    return {
        name: name in left
        and name in right
        and left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and torch.equal(bits(left[name]), bits(right[name]))
        for name in sorted(left.keys() | right.keys())
    }


def bits(tensor: Tensor) -> Tensor:
    """The tensor's bytes, [bytes]: unlike values, they are equal where both are NaN and tell 0 from -0."""
    return tensor.reshape(-1).view(torch.uint8)


def weights_of(checkpoint: Checkpoint | None) -> dict[str, Tensor]:
    """A checkpoint's tensors by name; none of no checkpoint."""
    if checkpoint is None:
        return {}
    return {
        name: tensor
        for file in sorted(Store().open(checkpoint).rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }
