"""Metrics of calibration; p is a softmax over the candidates of a question."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "expected_calibration_error": share(
        "How far confidence is from accuracy, over bins of confidence (Guo et al. 2017)",
        "sum over bins of (questions in bin / questions) |accuracy - mean confidence|",
        "lower",
    ),
    "brier_score": Metric(
        "Squared error of the candidates' probabilities (Brier 1950)",
        "sum over candidates of (p - 1[candidate is right])^2",
        "squared probability",
        "lower",
        0.0,
        2.0,
    ),
    "confidence": share("Probability of the likeliest candidate", "max over candidates of p", "neither"),
}
