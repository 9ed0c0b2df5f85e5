"""Evaluation as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Samples, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding


@stage()
def measure_checkpoint(
    policy: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Gold reward, KL to the reference, length and diversity of one policy."""
    from tasks.evaluation import measuring

    return measuring.measure_checkpoint(policy, reference, prompts, decoding, model, seed)


@stage()
def measure_series(
    series: CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """The same of every checkpoint of a training run: the points of its reward-KL frontier."""
    from tasks.evaluation import measuring

    return measuring.measure_series(series, reference, prompts, decoding, model, seed)


@stage()
def measure_temperatures(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    temperatures: list[float],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """The same of one policy at several temperatures (of a series, the last checkpoint)."""
    from tasks.evaluation import measuring

    return measuring.measure_temperatures(policy, reference, prompts, decoding, temperatures, model, seed)


@stage()
def measure_samples(samples: Samples) -> Scores:
    """Gold reward, length and diversity of responses sampled before."""
    from tasks.evaluation import measuring

    return measuring.measure_samples(samples)


@stage()
def measure_demonstrations(demonstrations: DatasetRef) -> Scores:
    """Gold reward of the demonstrators' own answers."""
    from tasks.evaluation import measuring

    return measuring.measure_demonstrations(demonstrations)


@stage()
def measure_pairs(
    series: CheckpointSeries, held_out: DatasetRef, reference: LogProbs, beta: float, model: ModelConfig
) -> Scores:
    """Accuracy and margin of the implicit reward on held-out pairs."""
    from tasks.evaluation import measuring

    return measuring.measure_pairs(series, held_out, reference, beta, model)


@stage()
def choose_by_implicit_reward(samples: Samples, series: CheckpointSeries, model: ModelConfig) -> Samples:
    """Best-of-n: of each prompt's samples, the one with the largest log-ratio of policy to reference."""
    from tasks.evaluation import best_of_n

    return best_of_n.choose_by_implicit_reward(samples, series, model)
