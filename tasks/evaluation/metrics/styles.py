"""Metrics of a policy's mixture of styles, where each style beats the next in a circle."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "style_exploitability": Metric(
        "How often the best single style beats the policy's, content equal, above one half",
        "P(s beats style(y)) - 1/2, y ~ pi, s the best answer to pi on other prompts",
        "share",
        "lower",
        -0.5,
        0.5,
    ),
    "style_plain": share("The response begins with no opener", "1[style(y) = plain]", "neither"),
}
