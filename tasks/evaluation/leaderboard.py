"""The leaderboard: one row an arm, a mean and an interval for each metric."""

from collections.abc import Sequence

import pandas as pd

from tasks.evaluation.metrics import metric_range
from tasks.evaluation.scores import align, concat_scores
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.win_rate import win_rate_scores


def with_win_rates(
    scores: pd.DataFrame, suite: str, baselines: Sequence[str], metric: str = "gold_reward"
) -> pd.DataFrame:
    """``scores`` plus ``win_rate_vs_<baseline>`` rows of every arm that has ``metric``, for each scored
    baseline."""
    scored = scores[(scores["suite"] == suite) & (scores["metric"] == metric)]
    arms = [str(arm) for arm in scored["arm"].unique()]
    wins = [
        win_rate_scores(scores, arm, baseline, suite, metric)
        for baseline in baselines
        if baseline in arms
        for arm in arms
        if arm != baseline
    ]
    return concat_scores([scores, *wins])


def leaderboard(
    scores: pd.DataFrame,
    suite: str,
    metrics: Sequence[str] = (),
    baselines: Sequence[str] = ("sft", "demonstrations"),
    level: float = 0.95,
) -> pd.DataFrame:
    """One row an arm, best first by the first metric: ``arm``, ``n_seeds``, ``n_prompts`` and three
    columns a metric.

    For each metric ``m`` the columns are ``m``, ``m_low`` and ``m_high`` (interval of coverage
    ``level``), NaN where the arm lacks it. ``metrics`` picks and orders them; by default all in the
    suite, in the order they first come. Each interval is the arm's own: two that overlap may still
    differ, since arms are paired on prompts; use a claim for that. ``n_seeds`` and ``n_prompts`` are
    those of the first metric the arm has.
    """
    full = with_win_rates(scores, suite, baselines)
    here = full[full["suite"] == suite]
    names = list(metrics) or [str(name) for name in here["metric"].unique()]
    rows = [_row(here, suite, str(arm), names, level) for arm in here["arm"].unique()]
    columns = ["arm", "n_seeds", "n_prompts", *(c for m in names for c in (m, f"{m}_low", f"{m}_high"))]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(names[0], ascending=False, ignore_index=True) if names else table


def _row(scores: pd.DataFrame, suite: str, arm: str, metrics: Sequence[str], level: float) -> dict[str, str | float]:
    row: dict[str, str | float] = {"arm": arm}
    present = set(scores.loc[scores["arm"] == arm, "metric"])
    for metric in (name for name in metrics if name in present):
        (table,), _ = align(scores, suite, [(arm, metric)])
        found = estimate(table.to_numpy(), level=level, bounds=metric_range(metric))
        row |= {metric: found.mean, f"{metric}_low": found.low, f"{metric}_high": found.high}
        row.setdefault("n_seeds", found.n_seeds)
        row.setdefault("n_prompts", found.n_prompts)
    return row
