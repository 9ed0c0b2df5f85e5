"""Sampling and scoring as Prefect tasks."""

from tasks.engine.refs import Checkpoint, DatasetRef, LogProbs, Samples
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding


@stage()
def score_pairs(model: Checkpoint, pairs: DatasetRef, config: ModelConfig) -> LogProbs:
    """Log-probabilities of every pair's responses under a frozen model, computed once per (model, data)."""
    from tasks.models import scoring

    return scoring.score_pairs(model, pairs, config)


@stage()
def sample_responses(
    policy: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    per_prompt: int,
    model: ModelConfig,
    seed: int,
) -> Samples:
    """Draw ``per_prompt`` responses to every prompt."""
    from tasks.models import generation

    return generation.sample_responses(policy, prompts, decoding, per_prompt, model, seed)
