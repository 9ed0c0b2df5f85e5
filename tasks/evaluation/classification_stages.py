"""Policies as classifiers, and recorded streams compared, as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, PairStream, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding


@stage()
def classify_stream(
    stream: PairStream,
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    parts: int,
    pairs_a_part: int,
    model: ModelConfig,
) -> Scores:
    """Whether a policy tells the better of pairs that another run drew, along that run."""
    from tasks.evaluation import classification

    return classification.classify_stream(stream, policy, reference, parts, pairs_a_part, model)


@stage()
def classify_by_label(stream: PairStream, parts: int, pairs_a_part: int) -> Scores:
    """Whether the labeller of a stream preferred the truly better response, along the run."""
    from tasks.evaluation import classification

    return classification.classify_by_label(stream, parts, pairs_a_part)


@stage()
def classify_own_samples(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Whether a policy tells the better of two of its own responses."""
    from tasks.evaluation import classification

    return classification.classify_own_samples(policy, reference, prompts, decoding, model, seed)


@stage()
def compare_weights(one: CheckpointSeries, other: CheckpointSeries) -> Scores:
    """Whether two runs end in the same weights, bit for bit."""
    from tasks.evaluation import tandem

    return tandem.compare_weights(one, other)
