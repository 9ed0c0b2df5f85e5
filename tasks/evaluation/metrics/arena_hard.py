"""Metrics of answers that are compared with a baseline's in both orders."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "arena_hard_elo": Metric(
        "Bradley-Terry rating of the policy, baseline at 1000",
        "400 log10 (odds of beating the baseline) + 1000",
        "Elo",
        "higher",
    ),
    "style_controlled_win_rate": share(
        "Win rate with the effect of length and markdown removed", "fitted P(win) at equal style"
    ),
}
