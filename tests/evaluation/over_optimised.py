"""Scores of arms whose gold reward follows a known curve while the proxy rises."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.evaluation.scores import concat_scores
from tasks.evaluation.statistics.best_of_n import best_of_n_kl
from tasks.evaluation.statistics.over_optimisation import BestOfNFit, ReinforcementFit

GOLD_BY_COUNT, GOLD_BY_TRAINING = BestOfNFit(1.2, 0.45), ReinforcementFit(1.0, 0.8)
COUNTS = (1, 2, 4, 16, 64, 256)
KL_BY_SHARE = {"0%": 0.0, "25%": 1.0, "50%": 4.0, "75%": 9.0, "": 16.0}
SEEDS, PROMPTS = 3, 120


def rows(arm: str, metric: str, height: float, shared, noise: float, number: int, suite: str) -> pd.DataFrame:
    generator = np.random.default_rng([number, sum(map(ord, arm + metric))])
    values = (
        height + shared + generator.normal(0, noise, (SEEDS, PROMPTS)) if noise else np.full((SEEDS, PROMPTS), height)
    )
    table = pd.DataFrame(values, columns=[f"p{index:03d}" for index in range(PROMPTS)])
    table = table.rename_axis("seed").reset_index().melt("seed", var_name="prompt_id", value_name="value")
    return table.assign(paper="par", arm=arm, suite=suite, metric=metric)


def over_optimised_scores(arms: Sequence[str] = ("mean",), trained: Sequence[str] = ("ppo",)) -> pd.DataFrame:
    """``mean@n1`` ... in the suite ``best_of_n``, ``ppo@0%`` ... ``ppo`` in the suite ``gold``."""
    shared = np.random.default_rng(0).normal(2.0, 1.0, (1, PROMPTS))
    frames = []
    for number, arm in enumerate(arms):
        for n in COUNTS:
            d = float(np.sqrt(best_of_n_kl(n)))
            gold = float(GOLD_BY_COUNT.gold(d))
            frames += [
                rows(f"{arm}@n{n}", "gold_reward", gold, shared, 0.3, number, "best_of_n"),
                rows(f"{arm}@n{n}", "proxy_reward", 1.5 * d, shared, 0.2, number, "best_of_n"),
                rows(f"{arm}@n{n}", "best_of_n_kl", d**2, shared, 0.0, number, "best_of_n"),
            ]
    for number, arm in enumerate(trained):
        for point, kl in KL_BY_SHARE.items():
            name, d = f"{arm}@{point}" if point else arm, kl**0.5
            frames += [
                rows(name, "gold_reward", float(GOLD_BY_TRAINING.gold(d)), shared, 0.3, number, "gold"),
                rows(name, "proxy_reward", 2.0 * d, shared, 0.2, number, "gold"),
                rows(name, "token_kl", kl, 0.0, 0.01 * kl, number, "gold").assign(
                    value=lambda table: table["value"].clip(lower=0.0)
                ),
            ]
    return concat_scores(frames)
