"""Metrics of given texts."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "perplexity": Metric(
        "How many equally likely next tokens the model is as unsure as; depends on the tokenizer",
        "exp(-sum over texts of log pi / sum over texts of tokens)",
        "1",
        "lower",
        1.0,
    ),
    "bits_per_byte": Metric(
        "Code length of a text under the model, whatever the tokenizer",
        "-sum over texts of log pi / (ln 2 * sum over texts of UTF-8 bytes)",
        "bits per byte",
        "lower",
        0.0,
    ),
}
