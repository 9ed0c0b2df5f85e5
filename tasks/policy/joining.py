"""Training runs that went on one from another, as one."""

from collections.abc import Sequence
from itertools import accumulate

from tasks.engine.refs import CheckpointSeries


def join_series(parts: Sequence[CheckpointSeries]) -> CheckpointSeries:
    """All checkpoints in their order, with steps counted from the beginning of the first part."""
    before = [0, *accumulate(part.steps[-1] for part in parts)]
    return CheckpointSeries(
        steps=[passed + step for passed, part in zip(before, parts, strict=False) for step in part.steps],
        checkpoints=[checkpoint for part in parts for checkpoint in part.checkpoints],
    )
