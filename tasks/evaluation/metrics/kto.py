"""What KTO logs beside what every preference objective does."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "train/kto/reference_point": Metric(
        "What KTO compares responses with", "max(0, mean log pi/pi_ref of the batch)", "nats a response", "neither", 0.0
    ),
}
