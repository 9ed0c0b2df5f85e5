"""What is measured on responses of the reference policy."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "calibration_log_ratio": Metric(
        "How much likelier than to the reference its own responses are to the policy",
        "log pi(y|x) - log pi_ref(y|x), y ~ pi_ref(.|x)",
        "nats a response",
        "neither",
    ),
}
