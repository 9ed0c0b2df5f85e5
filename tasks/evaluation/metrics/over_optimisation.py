"""Metrics of over-optimisation that responses alone do not have."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "best_of_n_kl": Metric(
        "Divergence of best-of-n from the policy it samples", "log n - (n - 1) / n", "nats", "neither", 0.0
    ),
}
