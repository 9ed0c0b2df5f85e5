"""Metrics of AlpacaEval beside the win rates."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "discrete_win_rate": share(
        "Win rate with every preference rounded to a win, a draw or a loss", "(wins + draws / 2) / n"
    ),
    "avg_length": Metric(
        "Length of the model's outputs", "integer part of their mean number of characters", "characters", "neither", 0.0
    ),
    "lc_length": Metric(
        "Weight of the length difference in the length control; below 0 where the judge prefers length",
        "w_len in logit p = w_len tanh(s) + w_diff g + b, s = (len_baseline - len_model) / sd",
        "log odds",
        "neither",
    ),
    "lc_difficulty": Metric(
        "Weight of the instruction's difficulty in the length control",
        "w_diff in logit p = w_len tanh(s) + w_diff g + b",
        "log odds",
        "neither",
    ),
    "lc_intercept": Metric(
        "The model's own term in the length control",
        "b in logit p = w_len tanh(s) + w_diff g + b",
        "log odds",
        "higher",
    ),
    "missing_annotations": Metric(
        "Comparisons for which the judge gave no preference",
        "count of missing preferences",
        "comparisons",
        "lower",
        0.0,
    ),
}
