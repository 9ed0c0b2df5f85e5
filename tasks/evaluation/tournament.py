"""Every method against every other on the same prompts: a win matrix and a Bradley-Terry ranking."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from tasks.engine.schema import UserError
from tasks.evaluation.scores import align, validate_scores
from tasks.evaluation.statistics.bradley_terry import SCALE, battles_of, fit, win_probability
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.statistics.noise import Values
from tasks.evaluation.win_rate import compare

SUITE = "tournament"
RATING, FIELD = "elo_rating", "field_win_rate"
PENALTY = 1e-3
"""L2 weight on the logits: keeps the rating of a method that wins everywhere finite (thousands of points away)."""
POINTS_A_NAT = SCALE / np.log(10.0)


class Duels(NamedTuple):
    """Wins of every method over every other."""

    players: list[str]
    wins: Values
    """[players, players, seeds, prompts]: 1 where the row's response has the higher reward, 0.5 for a tie."""
    seeds: list[int]
    prompts: list[str]


def duels_of(scores: pd.DataFrame, players: Sequence[str], suite: str, metric: str) -> Duels:
    """Compare all ``players`` on the seeds and prompts that all of them have.

    Raises UserError for fewer than two players, or if they have no seed and prompt in common.
    """
    if len(players) < 2:
        raise UserError(f"a tournament wants two methods or more, there is {', '.join(players) or 'none'}")
    tables, _ = align(scores, suite, [(player, metric) for player in players])
    wins = np.full((len(players), len(players), *tables[0].shape), 0.5)
    for one, other in combinations(range(len(players)), 2):
        outcome = compare(tables[one], tables[other]).to_numpy()
        wins[one, other], wins[other, one] = outcome, 1.0 - outcome
    return Duels(list(players), wins, [int(seed) for seed in tables[0].index], list(map(str, tables[0].columns)))


def win_matrix(duels: Duels) -> pd.DataFrame:
    """Share of prompts and seeds on which the row's method beats the column's, ties half; best method first."""
    matrix = duels.wins.mean(axis=(2, 3))
    order = np.argsort(-matrix.mean(axis=1), kind="stable")
    names = [duels.players[place] for place in order]
    return pd.DataFrame(matrix[np.ix_(order, order)], index=names, columns=names)


def duel_table(duels: Duels, level: float = 0.95) -> pd.DataFrame:
    """One row a pair of methods, the frequent winner first: win rate, its interval over seeds and prompts, p, decided.

    ``low`` and ``high`` are the duel's own interval; ``decided`` says that the win rate is not 0.5 by Holm's correction
    over all duels. Rows go by ``p_value`` (two-sided, of 0.5).
    """
    rows = []
    for one, other in combinations(range(len(duels.players)), 2):
        outcome = duels.wins[one, other]
        first, second = (one, other) if outcome.mean() >= 0.5 else (other, one)
        found = estimate(duels.wins[first, second], level, bounds=(0.0, 1.0))
        rows.append(
            {
                "method": duels.players[first], "opponent": duels.players[second], "win_rate": found.mean,
                "low": found.low, "high": found.high, "p_value": found.p_value(0.5),
            }
        )  # fmt: skip
    decided = multipletests([row["p_value"] for row in rows], alpha=1.0 - level, method="holm")[0]
    return pd.DataFrame(rows).assign(decided=decided).sort_values("p_value", kind="stable", ignore_index=True)


def ratings_of(duels: Duels, anchor: str) -> Values:
    """[players, seeds, prompts] Elo, one Bradley-Terry fit a seed with ``anchor`` at 1000.

    A prompt's value is the seed's rating plus the prompt's influence on it (infinitesimal jackknife), so that the mean
    over prompts is the rating itself and their spread its noise: ratings get the intervals that every other score gets.
    """
    return np.stack([_seed_ratings(duels, place, anchor) for place in range(len(duels.seeds))], axis=1)


def _seed_ratings(duels: Duels, seed: int, anchor: str) -> Values:
    players, prompts = duels.players, len(duels.prompts)
    pairs = list(combinations(range(len(players)), 2))
    wins = np.stack([duels.wins[one, other, seed] for one, other in pairs])
    names = [(players[one], players[other]) for one, other in pairs]
    firsts, seconds = [one for one, _ in names], [other for _, other in names]
    battles = battles_of(firsts, seconds, wins.mean(axis=1), np.full(len(pairs), float(prompts)))
    ratings = fit(battles, anchor, penalty=PENALTY).ratings
    chances = np.array([win_probability(ratings[one], ratings[other]) for one, other in names])
    design = np.zeros((len(pairs), len(players)))
    for row, (one, other) in enumerate(pairs):
        design[row, one], design[row, other] = 1.0, -1.0
    curvature = design.T @ (chances * (1.0 - chances) * prompts * design.T).T + PENALTY * np.eye(len(players))
    influence = prompts * np.linalg.solve(curvature, design.T @ (wins - chances[:, None]))
    influence -= influence.mean(axis=1, keepdims=True)
    shifted = influence - influence[players.index(anchor)]
    return np.array([ratings[player] for player in players])[:, None] + POINTS_A_NAT * shifted


def tournament_scores(scores: pd.DataFrame, duels: Duels, anchor: str) -> pd.DataFrame:
    """Tidy rows of the suite ``tournament``: ``elo_rating``, and ``field_win_rate`` over all other methods."""
    paper = str(scores["paper"].iloc[0])
    others = len(duels.players) - 1
    field = (duels.wins.sum(axis=1) - 0.5) / others
    frames = [
        pd.DataFrame(values[place], index=duels.seeds, columns=duels.prompts)
        .rename_axis(index="seed")
        .reset_index()
        .melt(id_vars="seed", var_name="prompt_id")
        .assign(paper=paper, arm=player, suite=SUITE, metric=metric)
        for metric, values in ((RATING, ratings_of(duels, anchor)), (FIELD, field))
        for place, player in enumerate(duels.players)
    ]
    return validate_scores(pd.concat(frames, ignore_index=True))
