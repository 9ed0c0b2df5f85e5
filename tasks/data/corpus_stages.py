"""Offline corpora of single responses as Prefect tasks."""

from typing import Literal

from tasks.data.mixed_quality import QualityMixture
from tasks.engine.refs import DatasetRef
from tasks.engine.stage import stage


@stage()
def write_corpus(prompts: DatasetRef, mixture: QualityMixture, per_prompt: int, seed: int) -> DatasetRef:
    """Responses of mixed quality to every prompt of the tiny world."""
    from tasks.data import offline_corpus

    return offline_corpus.write_corpus(prompts, mixture, per_prompt, seed)


@stage()
def take_side(pairs: DatasetRef, side: Literal["chosen", "rejected"]) -> DatasetRef:
    """The chosen or the rejected responses of real pairs."""
    from tasks.data import offline_corpus

    return offline_corpus.take_side(pairs, side)


@stage()
def take_validation(held_out: DatasetRef, evaluation: DatasetRef) -> DatasetRef:
    """Held-out prompts that no arm is evaluated on."""
    from tasks.data import offline_corpus

    return offline_corpus.take_validation(held_out, evaluation)
