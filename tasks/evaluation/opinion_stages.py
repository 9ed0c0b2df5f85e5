"""Measuring by several reward functions as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Samples, Scores
from tasks.engine.stage import stage
from tasks.evaluation.opinion_settings import Opinion
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding


@stage()
def measure_opinions(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    temperatures: list[float],
    opinions: list[Opinion],
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """A policy, or every checkpoint of a run, by gold reward, KL, several reward functions and likeness."""
    from tasks.evaluation import opinions as room

    return room.measure_opinions(policy, reference, prompts, decoding, temperatures, opinions, fitted, model, seed)


@stage()
def measure_chosen(
    samples: Samples, opinions: list[Opinion], fitted: list[RewardRef], model: ModelConfig, seed: int
) -> Scores:
    """The same of responses that were chosen before."""
    from tasks.evaluation import opinions as room

    return room.measure_chosen(samples, opinions, fitted, model, seed)
