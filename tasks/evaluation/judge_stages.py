"""Measurement of judges as a Prefect task."""

from tasks.engine.refs import DatasetRef, RewardRef, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.fresh.labellers import PairwiseLabels


@stage()
def measure_judge(labeller: PairwiseLabels, judge: RewardRef, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """Accuracy and calibration of a pairwise judge on held-out pairs."""
    from tasks.evaluation import judge_measuring

    return judge_measuring.measure_judge(labeller, judge, pairs, model)
