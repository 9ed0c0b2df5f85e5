"""How likely a policy still finds the reference policy's own responses: what pessimism is to preserve."""

import pandas as pd

from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import CheckpointSeries, Samples, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means, point_names
from tasks.evaluation.response_metrics import by_prompt, encoded
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow
from tasks.models.opening import open_frozen
from tasks.models.reference import score_groups


def measure_reference_samples(series: CheckpointSeries, samples: Samples, model: ModelConfig) -> Scores:
    """log pi(y|x) - log pi_ref(y|x) of every checkpoint on ``samples`` of the reference, one a prompt.

    Its mean is minus the KL divergence of the policy from the reference, KL(pi_ref || pi), as VPO's value term reads it
    (arXiv 2405.19320). Metric ``calibration_log_ratio``, in nats a response.
    """
    rows = read_rows_of(samples, SampleRow)
    tracker = current_tracker()
    frames = []
    for step, point, checkpoint in zip(series.steps, point_names(len(series.steps)), series.checkpoints, strict=True):
        policy, tokenizer = open_frozen(checkpoint, model)
        scores = score_groups(policy, encoded(tokenizer, rows))
        metrics = {"calibration_log_ratio": [one[0] - row["log_prob"] for one, row in zip(scores, rows, strict=True)]}
        log_means("eval", metrics, step)
        frames.append(by_prompt(rows, metrics).assign(point=point))
        tracker.progress(len(frames), len(series.steps), "policies")
    return store_scores(pd.concat(frames, ignore_index=True))
