"""Metrics of two-turn conversations that a judge grades or compares."""

from tasks.evaluation.metrics.metric import Metric, share


def grade(meaning: str, formula: str) -> Metric:
    """A metric in [1, 10]."""
    return Metric(meaning, formula, "grade", "higher", 1.0, 10.0)


METRICS = {
    "mt_bench_grade": grade("A judge's grade of a conversation", "mean of its turns' ratings [[x]]"),
    "mt_bench_grade_turn_1": grade("A judge's grade of the first answer", "rating [[x]]"),
    "mt_bench_grade_turn_2": grade("A judge's grade of the second answer", "rating [[x]]"),
    "win_rate_turn_1": share("The first answer beats the baseline's", "1 won in both orders, 0 lost in both, else 0.5"),
    "win_rate_turn_2": share(
        "The second answer beats the baseline's", "1 won in both orders, 0 lost in both, else 0.5"
    ),
}
