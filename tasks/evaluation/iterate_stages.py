"""The choice among a run's checkpoints as a Prefect task."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.reward.sources import RewardSource


@stage()
def choose_iterate(
    series: CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    source: RewardSource,
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Checkpoint:
    """The checkpoint of a run that earns the highest reward on validation prompts."""
    from tasks.evaluation import iterates

    return iterates.choose_iterate(series, prompts, decoding, source, fitted, model, seed)
