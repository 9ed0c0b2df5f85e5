"""The tournament's figures: winners on top, decided duels marked, every number with its interval."""

import numpy as np
import pandas as pd
import pytest

from dashboards.tournament_figures import ranking_figure, win_matrix_figure
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.tournament import Duels, duel_table, duels_of, tournament_scores, win_matrix


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    frames = []
    for arm, mean in (("sft", 0.0), ("twin", 0.0), ("dpo", 1.5)):
        for seed in range(3):
            named = {f"p{number}": float(value) for number, value in enumerate(mean + generator.normal(size=60))}
            frames.append(
                score_rows(paper="tournament", arm=arm, seed=seed, suite="gold", metric="gold_reward", values=named)
            )
    return concat_scores(frames)


@pytest.fixture(scope="module")
def duels(scores) -> Duels:
    return duels_of(scores, ["sft", "twin", "dpo"], "gold", "gold_reward")


def test_a_star_marks_decided_duels_in_both_halves(duels):
    figure = win_matrix_figure(win_matrix(duels), duel_table(duels))
    (cells,) = figure.data
    text = pd.DataFrame(cells.text, index=cells.y, columns=cells.x)
    assert cells.y[0] == "dpo"
    stars = text.map(lambda value: value.endswith("*"))
    assert stars.loc["dpo"].tolist() == [False, True, True]
    assert stars["dpo"].tolist() == [False, True, True]
    assert stars.to_numpy().sum() == 4


def test_hovering_shows_an_interval_that_holds_the_win_rate(duels):
    (cells,) = win_matrix_figure(win_matrix(duels), duel_table(duels)).data
    rates = pd.DataFrame(cells.z, index=cells.y, columns=cells.x)
    hints = pd.DataFrame(cells.customdata, index=cells.y, columns=cells.x)
    for winner in rates.index:
        for loser in rates.columns.drop(winner):
            low, high = map(float, hints.loc[winner, loser].strip("[]").split(","))
            assert low - 0.005 <= rates.loc[winner, loser] <= high + 0.005


def test_the_ranking_goes_by_rating_and_sft_is_the_anchor(scores, duels):
    (dots,) = ranking_figure(concat_scores([scores, tournament_scores(scores, duels, "sft")])).data
    assert dots.y[-1] == "dpo"
    assert dots.x[list(dots.y).index("sft")] == pytest.approx(1000.0)
    assert list(dots.x) == sorted(dots.x)
