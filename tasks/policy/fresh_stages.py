"""Preference optimisation on fresh pairs, and on recorded streams of them, as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, FreshRun, PairStream, RewardRef
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.fresh.labellers import Labeller
from tasks.policy.fresh.settings import FreshPairs, Replayed
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining


@stage()
def optimise_on_fresh_pairs(
    start: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    labeller: Labeller,
    fitted: list[RewardRef],
    objective: Objective,
    fresh: FreshPairs,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> FreshRun:
    """Minimise a preference objective on pairs that are sampled and labelled on the way, and recorded."""
    from tasks.policy.fresh import loop

    return loop.optimise_on_fresh_pairs(
        start, reference, prompts, labeller, fitted, objective, fresh, training, model, seed
    )


@stage()
def optimise_on_stream(
    start: Checkpoint,
    stream: PairStream,
    objective: Objective,
    replayed: Replayed,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Go through a recorded stream of pairs again, in its order or shuffled."""
    from tasks.policy.fresh import replay

    return replay.optimise_on_stream(start, stream, objective, replayed, training, model, seed)


@stage()
def series_of(run: FreshRun) -> CheckpointSeries:
    """The checkpoints of a run on fresh pairs."""
    return run.series


@stage()
def stream_of(run: FreshRun) -> PairStream:
    """The pairs that it learned from."""
    return run.stream
