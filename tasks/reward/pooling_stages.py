"""Pooling samples as a Prefect task."""

from tasks.engine.refs import Samples
from tasks.engine.stage import stage


@stage()
def pool_samples(one: Samples, other: Samples) -> Samples:
    """Responses of two policies to the same prompts as one set of samples."""
    from tasks.reward import pooled_samples

    return pooled_samples.pool_samples(one, other)
