"""SuperHF as a Prefect task."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining
from tasks.reward.sources import RewardSource


@stage()
def optimise_superhf(
    start: Checkpoint,
    prior: Checkpoint,
    prompts: DatasetRef,
    source: RewardSource,
    fitted: list[RewardRef],
    method: SuperHFMethod,
    training: SuperHFTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Fit the best of S completions a prompt, group of prompts after group, with a KL prior."""
    from tasks.policy import superhf

    return superhf.optimise_superhf(start, prior, prompts, source, fitted, method, training, model, seed)
