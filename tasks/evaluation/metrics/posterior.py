"""What BRAIn's posterior and the gradients of its estimators are measured by."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "posterior/reward_temperature": Metric(
        "Temperature of the rewards that was chosen", "beta_r", "reward units", "neither", 0.0
    ),
    "posterior/effective_samples": Metric(
        "Effective samples of a group at that temperature", "mean 1 / sum ahat^2", "responses", "neither", 1.0
    ),
    "gradient_variance": Metric(
        "Noise of a gradient estimate at fixed weights",
        "trace of the covariance of grad L between groups of a prompt",
        "squared units of the gradient",
        "lower",
        0.0,
    ),
    "log_gradient_variance": Metric(
        "Noise of a gradient estimate at fixed weights, as a logarithm",
        "ln gradient_variance",
        "nats; a difference is the logarithm of a ratio",
        "lower",
    ),
    "gradient_norm": Metric(
        "Length of the mean gradient at fixed weights", "|mean grad L|", "units of the gradient", "neither", 0.0
    ),
}
