"""Policies and labellers as classifiers of pairs, and replays of runs."""

from tasks.evaluation.metrics.metric import share

METRICS = {
    "preference_accuracy": share(
        "Pairs whose truly better response is preferred", "1[sign h = sign of gold difference]"
    ),
    "same_weights": share("Weight tensors of two runs that are equal bit for bit", "1[bits are equal]"),
}
