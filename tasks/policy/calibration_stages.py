"""Calibration of judges as a Prefect task."""

from tasks.engine.refs import DatasetRef, RewardRef
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.fresh.labellers import PairwiseLabels


@stage()
def calibrate_judge(
    labeller: PairwiseLabels, judge: RewardRef, pairs: DatasetRef, model: ModelConfig
) -> PairwiseLabels:
    """A labeller at the temperature that makes its judge's verdicts on ``pairs`` as sure as they are right."""
    from tasks.policy.fresh import calibrating

    return calibrating.calibrate_judge(labeller, judge, pairs, model)
