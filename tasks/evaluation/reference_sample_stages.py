"""Likelihoods of the reference policy's responses as a Prefect task."""

from tasks.engine.refs import CheckpointSeries, Samples, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig


@stage()
def measure_reference_samples(series: CheckpointSeries, samples: Samples, model: ModelConfig) -> Scores:
    """How much less likely the reference's own responses have become at every checkpoint of a run."""
    from tasks.evaluation import reference_samples

    return reference_samples.measure_reference_samples(series, samples, model)
