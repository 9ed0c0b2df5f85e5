"""Preference optimisation on pairs with calibration responses as a Prefect task."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Samples
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining


@stage()
def optimise_on_calibrated_pairs(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    samples: Samples,
    objective: Objective,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise a preference objective on pairs that each come with a response of the reference policy."""
    from tasks.policy import calibrated

    return calibrated.optimise_on_calibrated_pairs(start, pairs, reference, samples, objective, training, model, seed)
