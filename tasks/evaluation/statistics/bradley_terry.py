"""Bradley-Terry ratings of players from battles, on the Elo scale, as Arena-Hard-Auto and Chatbot Arena fit them.

P(first beats second) = 1 / (1 + 10^((rating_second - rating_first) / 400)), fitted as a logistic regression without
intercept on rows of +log 10 (first) and -log 10 (second); every battle stands twice, a tie once as a win and once as a
loss (lm-sys/arena-hard-auto ``utils_math.py``, ``compute_mle_elo``). Identical battles are one row with a weight.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tasks.engine.schema import UserError

SCALE = 400.0
BASE = 10.0
ANCHOR_RATING = 1000.0
TOLERANCE = 1e-8
MOST_ITERATIONS = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Battles:
    """Battles between named players; all fields have one entry a row. Made by ``battles_of``."""

    first: Sequence[str]
    second: Sequence[str]
    outcome: Floats
    """Share of the win that went to ``first``, in [0, 1]; 0.5 is a tie."""
    weight: Floats
    """How many identical battles the row stands for, >= 0."""
    style: Floats
    """[rows, k] further columns of the design, first minus second; k may be 0."""

    @property
    def players(self) -> list[str]:
        """Every player's name, sorted."""
        return sorted({*self.first, *self.second})


@dataclass(frozen=True)
class Fit:
    """Fitted ratings."""

    ratings: Mapping[str, float]
    """Elo of every player, shifted so that the anchor has its own; NaN for one without a battle of positive weight."""
    style: Floats
    """[k] coefficients of the further columns, in logits a unit."""


def battles_of(
    first: Sequence[str],
    second: Sequence[str],
    outcome: ArrayLike,
    weight: ArrayLike | None = None,
    style: ArrayLike | None = None,
) -> Battles:
    """Check and gather battles; ``weight`` is 1 and ``style`` has no columns unless they are given.

    Raises:
        UserError: there are none, a player meets itself, or an outcome, weight or style value is out of range.
    """
    outcomes = np.asarray(outcome, dtype=np.float64)
    rows = len(outcomes)
    weights = np.ones(rows) if weight is None else np.asarray(weight, dtype=np.float64)
    columns = np.zeros((rows, 0)) if style is None else np.asarray(style, dtype=np.float64)
    if rows == 0 or not {len(first), len(second), len(weights), len(columns)} == {rows}:
        raise UserError(f"ratings want battles with both players, outcome and weight each; got {rows} outcomes, "
                        f"{len(first)} and {len(second)} players, {len(weights)} weights")  # fmt: skip
    for row, (one, other) in enumerate(zip(first, second, strict=True), start=1):
        if one == other:
            raise UserError(f"battle {row}: '{one}' meets itself; leave the row out")
    if not ((outcomes >= 0) & (outcomes <= 1)).all() or not (weights >= 0).all() or not weights.sum() > 0:
        raise UserError("battles want outcomes in [0, 1] and weights >= 0 that are not all 0; leave invalid ones out")
    if not np.isfinite(columns).all():
        raise UserError("battles want finite style columns; mend the counts that they are made of")
    return Battles(list(first), list(second), outcomes, weights, columns)


def fit(battles: Battles, anchor: str, anchor_rating: float = ANCHOR_RATING, penalty: float = 0.0) -> Fit:
    """Ratings with ``anchor`` at ``anchor_rating``; ``penalty`` is the L2 weight on every coefficient (0: none).

    A player that won or lost everything has no finite rating: the optimiser then stops some thousands of points away,
    where the win probability is 0 or 1 to eight digits.

    Raises:
        UserError: the anchor fought no battle, or some players cannot be rated against it (nobody links them).
    """
    if anchor not in battles.players:
        raise UserError(f"'{anchor}', to which ratings are anchored, has no battle; "
                        f"players are {', '.join(battles.players)}")  # fmt: skip
    apart = players_apart(battles, anchor)
    if apart and penalty == 0.0:
        raise UserError(f"{', '.join(apart[:5])} and {anchor} never met, nor are they linked by others; rate each "
                        "group by itself, or let them meet")  # fmt: skip
    return _fit(_merged(battles), battles.players, anchor, anchor_rating, penalty)


def bootstrap(
    battles: Battles,
    anchor: str,
    rounds: int,
    seed: int,
    anchor_rating: float = ANCHOR_RATING,
    penalty: float = 0.0,
) -> pd.DataFrame:
    """Ratings [rounds, players] of resampled battles: as many as there are, drawn with replacement.

    A row of weight w is w battles. The battles of one prompt are drawn apart, so an interval made from this is too
    narrow where they agree with each other. NaN where a player was not drawn.
    """
    merged = _merged(battles)
    total = round(float(merged.weight.sum()))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(total, merged.weight / merged.weight.sum(), size=rounds)
    fits = [
        _fit(replace(merged, weight=draw.astype(np.float64)), battles.players, anchor, anchor_rating, penalty)
        for draw in draws
    ]
    return pd.DataFrame([found.ratings for found in fits], columns=battles.players)


def ratings_table(
    battles: Battles,
    anchor: str,
    rounds: int = 100,
    seed: int = 0,
    percentiles: tuple[float, float] = (2.5, 97.5),
) -> pd.DataFrame:
    """A leaderboard, best first: player, rating, low, high, score, score_low, score_high, battles, wins.

    ``low`` and ``high`` are ``percentiles`` (0 to 100) of ``rounds`` bootstrap rounds; ``score`` is the probability of
    beating the anchor, in [0, 1]; ``wins`` counts a tie half.
    """
    found = fit(battles, anchor)
    resampled = bootstrap(battles, anchor, rounds, seed)
    rows = []
    for player in battles.players:
        low, high = np.nanpercentile(resampled[player], percentiles)
        own, other = np.array(battles.first) == player, np.array(battles.second) == player
        wins = battles.weight[own] @ battles.outcome[own] + battles.weight[other] @ (1 - battles.outcome[other])
        ends = {"rating": found.ratings[player], "low": float(low), "high": float(high)}
        scores = {name: win_probability(value, ANCHOR_RATING) for name, value in ends.items()}
        rows.append({"player": player, **ends, "score": scores["rating"], "score_low": scores["low"],
                     "score_high": scores["high"], "battles": float(battles.weight[own | other].sum()),
                     "wins": float(wins)})  # fmt: skip
    return pd.DataFrame(rows).sort_values(["rating", "player"], ascending=[False, True], ignore_index=True)


def win_probability(rating: float, opponent: float) -> float:
    """P(a player beats an opponent) by their ratings, in [0, 1]; a tie counts half."""
    return 1.0 / (1.0 + BASE ** ((opponent - rating) / SCALE))


def win_matrix(ratings: Mapping[str, float]) -> pd.DataFrame:
    """P(row's player beats column's), [players, players], best player first; 0.5 on the diagonal."""
    names = sorted(ratings, key=lambda name: (-ratings[name], name))
    table = [[win_probability(ratings[one], ratings[other]) for other in names] for one in names]
    return pd.DataFrame(table, index=names, columns=names)


def players_apart(battles: Battles, anchor: str) -> list[str]:
    """Players that no chain of battles links to ``anchor``, sorted."""
    linked = {anchor}
    fought = battles.weight > 0
    pairs = {frozenset(pair) for pair, met in zip(zip(battles.first, battles.second, strict=True), fought, strict=True)
             if met}  # fmt: skip
    while found := {player for pair in pairs if pair & linked for player in pair - linked}:
        linked |= found
    return [player for player in battles.players if player not in linked]


def _merged(battles: Battles) -> Battles:
    """The same battles with identical rows added up, in a fixed order."""
    columns = [f"style_{index}" for index in range(battles.style.shape[1])]
    frame = pd.DataFrame({"first": battles.first, "second": battles.second, "outcome": battles.outcome})
    frame = pd.concat([frame, pd.DataFrame(battles.style, columns=columns)], axis=1).assign(weight=battles.weight)
    merged = frame.groupby(["first", "second", "outcome", *columns], as_index=False, sort=True)["weight"].sum()
    return Battles(
        merged["first"].tolist(),
        merged["second"].tolist(),
        merged["outcome"].to_numpy(np.float64),
        merged["weight"].to_numpy(np.float64),
        merged[columns].to_numpy(np.float64).reshape(len(merged), len(columns)),
    )


def _fit(battles: Battles, players: Sequence[str], anchor: str, anchor_rating: float, penalty: float) -> Fit:
    from sklearn.linear_model import LogisticRegression

    place = {player: index for index, player in enumerate(players)}
    rows = np.arange(len(battles.outcome))
    design = np.zeros((len(rows), len(players)))
    design[rows, [place[player] for player in battles.first]] = math.log(BASE)
    design[rows, [place[player] for player in battles.second]] = -math.log(BASE)
    design = np.hstack([design, battles.style])
    model = LogisticRegression(
        fit_intercept=False, C=1.0 / penalty if penalty else np.inf, tol=TOLERANCE, max_iter=MOST_ITERATIONS
    )
    model.fit(
        np.vstack([design, design]),
        np.repeat([1, 0], len(rows)),
        sample_weight=2.0 * np.concatenate([battles.weight * battles.outcome, battles.weight * (1 - battles.outcome)]),
    )
    coefficients = model.coef_[0]
    logits = coefficients[: len(players)]
    elo = SCALE * (logits - logits[place[anchor]]) + anchor_rating
    fought = (design[:, : len(players)] != 0).T @ battles.weight > 0
    ratings = np.where(fought, elo, np.nan)
    return Fit(dict(zip(players, map(float, ratings), strict=True)), coefficients[len(players) :])
