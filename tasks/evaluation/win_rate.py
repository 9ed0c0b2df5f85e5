"""Paired win rates: the policy's response against the baseline's on the same prompt and seed."""

import pandas as pd

from tasks.evaluation.scores import align, validate_scores

TIE = 1e-9
"""Rewards closer than this are a tie: sums in another order differ by rounding alone."""


def compare(policy: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Per-prompt wins in {0, 0.5, 1} of aligned tables (index seed, columns prompt_id); a tie counts half."""
    difference = policy - baseline
    return (difference > TIE).astype("float64") + 0.5 * (difference.abs() <= TIE)


def win_rate_scores(
    scores: pd.DataFrame, arm: str, baseline: str, suite: str, metric: str = "gold_reward"
) -> pd.DataFrame:
    """Tidy rows with metric ``win_rate_vs_<baseline>`` for every seed and prompt both arms have.

    The baseline needs scores for the same seeds: a fixed baseline (demonstrations) is scored once a seed.
    """
    tables, _ = align(scores, suite, [(arm, metric), (baseline, metric)])
    wins = compare(*tables).rename_axis(index="seed").reset_index()
    papers = scores.loc[scores["arm"] == arm, "paper"]
    labels = {"paper": papers.iloc[0], "arm": arm, "suite": suite, "metric": f"win_rate_vs_{baseline}"}
    return validate_scores(wins.melt(id_vars="seed", var_name="prompt_id").assign(**labels))
