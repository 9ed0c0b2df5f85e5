"""Labels by implicit rewards as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Samples, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig


@stage()
def label_by_log_ratio(
    samples: Samples, policy: Checkpoint | CheckpointSeries, reference: Checkpoint, model: ModelConfig
) -> DatasetRef:
    """Pairs of the best and the worst of every prompt's samples by a policy's implicit reward."""
    from tasks.reward import implicit_labels

    return implicit_labels.label_by_log_ratio(samples, policy, reference, model)


@stage()
def measure_labels(pairs: DatasetRef, point: str) -> Scores:
    """How often labels agree with the true reward."""
    from tasks.reward import implicit_labels

    return implicit_labels.measure_labels(pairs, point)
