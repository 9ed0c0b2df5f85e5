"""What is measured of reward ensembles beyond their variance, and of the label noise they are tested under."""

from tasks.evaluation.metrics.metric import Metric

OVER_ALL = "over the samples of all prompts"

METRICS = {
    "member_correlation": Metric(
        "Likeness of an ensemble's members", "Pearson(r_i, r_j) over a prompt's samples, mean over pairs i < j", "1",
        "neither", -1.0, 1.0,
    ),
    "member_correlation_pooled": Metric(
        f"The same {OVER_ALL}", "Pearson(r_i, r_j), mean over pairs", "1", "neither", -1.0, 1.0
    ),
    "member_correlation_lowest": Metric(
        f"Of the most different two {OVER_ALL}", "min over pairs of Pearson(r_i, r_j)", "1", "neither", -1.0, 1.0
    ),
    "member_correlation_highest": Metric(
        f"Of the most similar two {OVER_ALL}", "max over pairs of Pearson(r_i, r_j)", "1", "neither", -1.0, 1.0
    ),
    "data/flipped_pairs": Metric("Labels turned round", "count", "pairs", "neither", 0.0),
}  # fmt: skip
