"""How good a pairwise judge is on held-out pairs: accuracy and calibration of its symmetrised verdicts."""

import numpy as np

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import DatasetRef, RewardRef, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.response_metrics import by_prompt
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.policy.fresh.calibrating import calibration_error, chances, judged_logits
from tasks.policy.fresh.labellers import PairwiseLabels


def measure_judge(labeller: PairwiseLabels, judge: RewardRef, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """Metrics ``judge_accuracy``, ``judge_confidence`` and ``judge_brier``; of a prompt with several pairs their mean.

    Logs accuracy and calibration error over all pairs. Raises UserError if ``judge`` is no pairwise judge.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "evaluation")
    rows = read_rows_of(pairs, PairRow)
    wins = chances(judged_logits(judge, rows, model), labeller.temperature)
    metrics = {
        "judge_accuracy": ((np.sign(wins - 0.5) + 1.0) / 2.0).tolist(),
        "judge_confidence": np.maximum(wins, 1.0 - wins).tolist(),
        "judge_brier": np.square(1.0 - wins).tolist(),
    }
    tracker.metrics(
        {
            "held_out/reward_accuracy": float(np.mean(metrics["judge_accuracy"])),
            "held_out/reward_calibration_error": calibration_error(wins),
        },
        0,
    )
    means = by_prompt(rows, metrics).groupby(["prompt_id", "metric"], as_index=False).agg({"value": "mean"})
    return store_scores(means.assign(point=FINAL))
