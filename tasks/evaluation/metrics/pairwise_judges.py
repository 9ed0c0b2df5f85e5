"""Metrics of pairwise judges; P is the probability that the response labelled better wins, both orders averaged."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "judge_accuracy": share("Held-out pairs judged as labelled", "1[P > 1/2], 0.5 if equal"),
    "judge_confidence": share("Probability of the likelier winner", "max(P, 1 - P)", "neither"),
    "judge_brier": share("Squared error of the verdict", "(1 - P)^2", "lower"),
    "judge/temperature": Metric(
        "What a judge's log odds are divided by", "argmin of -log P on held-out pairs", "1", "neither", 0.0
    ),
}
