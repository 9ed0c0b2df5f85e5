"""Metrics of filters of sampled responses (PF-PPO, arXiv 2409.06957)."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "filter_r2": Metric(
        "How well reward tells true score among the responses that a filter keeps",
        "mean over prompts of n R^2 - (n - 1) R^2_without_prompt, R^2 of gold = a + b reward over bins of reward",
        "share of variance",
        "higher",
    ),
    "filter_kept": Metric(
        "Responses of a prompt that a filter keeps; above 1 if it repeats them",
        "kept / sampled",
        "share",
        "neither",
        0.0,
    ),
    "train/filter/kept_share": Metric(
        "Responses of an iteration that the filter keeps; above 1 if it repeats them",
        "kept / sampled",
        "share",
        "neither",
        0.0,
    ),
    "train/filter/fell_back": share(
        "Iterations in which the filter kept none, so all were kept", "1[none kept]", "lower"
    ),
}
