"""Measurement of styles as a Prefect task."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.policy.fresh.labellers import CyclicLabels


@stage()
def measure_styles(
    series: CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    labels: CyclicLabels,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """How exploitable the styles of a run's policies are, from its start to its end."""
    from tasks.evaluation import styles

    return styles.measure_styles(series, reference, prompts, decoding, labels, model, seed)
