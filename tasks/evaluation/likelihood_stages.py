"""Likelihoods of given responses as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig


@stage()
def measure_likelihoods(
    policy: Checkpoint | CheckpointSeries, held_out: DatasetRef, reference: LogProbs, model: ModelConfig
) -> Scores:
    """How a policy's average log-probability ranks held-out pairs, and how it goes with their length."""
    from tasks.evaluation import likelihoods

    return likelihoods.measure_likelihoods(policy, held_out, reference, model)
