"""The noise of gradient estimators as a Prefect task."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, Rewards, Samples, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.objectives.brain import BRAIn


@stage()
def measure_gradient_noise(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    samples: Samples,
    rewards: Rewards,
    objective: BRAIn,
    size: int,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Mean and variance of an objective's gradient at fixed weights, over resampled groups."""
    from tasks.evaluation import gradient_noise

    return gradient_noise.measure_gradient_noise(policy, reference, samples, rewards, objective, size, model, seed)
