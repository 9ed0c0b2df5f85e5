"""Tournaments of methods."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "elo_rating": Metric(
        "Bradley-Terry rating over all duels on the same prompts, SFT at 1000",
        "1000 + 400 / ln 10 (theta - theta_sft); P(a beats b) = sigma(theta_a - theta_b)",
        "Elo points",
        "higher",
    ),
    "field_win_rate": share("Win rate over all other methods, ties half", "mean over opponents 1[r > r']"),
}
