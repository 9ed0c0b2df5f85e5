"""Changes of labels as Prefect tasks."""

from tasks.engine.refs import DatasetRef
from tasks.engine.stage import stage


@stage()
def flip_labels(pairs: DatasetRef, share: float, seed: int) -> DatasetRef:
    """Pairs whose labels are turned round with probability ``share``."""
    from tasks.data import flipping

    return flipping.flip_labels(pairs, share, seed)
