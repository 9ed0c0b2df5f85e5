"""Metrics of the study on implicit and explicit rewards (arXiv 2409.03650)."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "accuracy_drop": Metric(
        "Accuracy lost off the training distribution, one number a seed",
        "reward_accuracy on the training distribution's test pairs - mean over the shifted test sets",
        "share",
        "lower",
        -1.0,
        1.0,
    ),
    "label_gold_agreement": share(
        "A learned label prefers the response of higher true reward", "1[r*(chosen) > r*(rejected)], 0.5 if equal"
    ),
    "selection/trial": Metric("Which trial's checkpoint was kept", "number from 0", "1", "neither", 0.0),
    "selection/checkpoint": Metric("Which of its checkpoints", "number from 0", "1", "neither", 0.0),
}
