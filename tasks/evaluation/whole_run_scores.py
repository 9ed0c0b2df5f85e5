"""Numbers that are of a whole run, not of a prompt, as scores: claims read them as they read any metric."""

from collections.abc import Mapping

import pandas as pd

from tasks.evaluation.scores import align, score_rows
from tasks.evaluation.statistics.length_regression import regress_on_length

WHOLE_RUN = "whole run"
"""Their one ``prompt_id``."""


def whole_run_scores(
    paper: str, suite: str, metric: str, values: Mapping[str, Mapping[int, float]]
) -> list[pd.DataFrame]:
    """Tidy scores of ``values`` arm → seed → number, one table an arm and seed."""
    return [
        score_rows(paper=paper, arm=arm, seed=seed, suite=suite, metric=metric, values={WHOLE_RUN: value})
        for arm, by_seed in values.items()
        for seed, value in by_seed.items()
    ]


def length_regressions(scores: pd.DataFrame, paper: str, suite: str, arms: Mapping[str, str]) -> list[pd.DataFrame]:
    """``length_r_squared`` and ``length_slope`` of every arm's sampled responses, in the suite ``suite``.

    ``arms``: arm → the suite that has its ``kl`` (the log-ratio of a response to the reference) and
    ``response_tokens``. Arms without them are left out.
    """
    explained: dict[str, dict[int, float]] = {}
    slopes: dict[str, dict[int, float]] = {}
    for arm, source in arms.items():
        held = set(scores.loc[(scores["suite"] == source) & (scores["arm"] == arm), "metric"])
        if not {"kl", "response_tokens"} <= held:
            continue
        (ratios, tokens), _ = align(scores, source, [(arm, "kl"), (arm, "response_tokens")])
        for seed in ratios.index:
            found = regress_on_length(ratios.loc[seed].to_numpy(), tokens.loc[seed].to_numpy())
            explained.setdefault(arm, {})[int(seed)] = found.r_squared
            slopes.setdefault(arm, {})[int(seed)] = found.slope
    return [
        *whole_run_scores(paper, suite, "length_r_squared", explained),
        *whole_run_scores(paper, suite, "length_slope", slopes),
    ]
