"""From two games a prompt to battles, and from battles to a score: Arena-Hard-Auto v0.1 and v2.0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tasks.data.rows import Message
from tasks.evaluation.judges.judge import Comparison, Verdict
from tasks.evaluation.statistics.bradley_terry import (
    ANCHOR_RATING,
    Battles,
    battles_of,
    bootstrap,
    fit,
    win_probability,
)

MODEL, BASELINE = "model", "baseline"
Invalid = Literal["drop_game", "drop_prompt"]
"""What an unreadable verdict costs: its game (v0.1), or both games of its prompt (v2.0)."""


@dataclass(frozen=True)
class Pair:
    """A prompt with the model's answer and the baseline's."""

    prompt_id: str
    prompt: Sequence[Message]
    answer: str
    baseline: str
    tokens: float
    """Length of the model's answer."""
    category: str = ""
    family: str = ""
    """For a gold judge of the tiny world."""
    finished: bool = True
    """Whether the model's answer ended by itself."""


@dataclass(frozen=True)
class Score:
    """A number with the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


def both_orders(pairs: Sequence[Pair]) -> list[Comparison]:
    """Two comparisons a pair: in game 1 the baseline is shown first, in game 2 the model."""
    return [
        comparison
        for pair in pairs
        for comparison in (
            Comparison(f"{pair.prompt_id}/game1", pair.prompt, pair.baseline, pair.answer, pair.family,
                       second_finished=pair.finished),
            Comparison(f"{pair.prompt_id}/game2", pair.prompt, pair.answer, pair.baseline, pair.family,
                       first_finished=pair.finished),
        )
    ]  # fmt: skip


def games_of(pairs: Sequence[Pair], verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row a game of ``both_orders``: prompt_id, category, game, outcome, weight, text.

    ``outcome`` is the model's share of the win in [0, 1] (0.5 a tie), NaN where no verdict could be read; ``weight`` is
    the number of battles that the verdict counts as.
    """
    rows = []
    for index, verdict in enumerate(verdicts):
        pair, game = pairs[index // 2], index % 2 + 1
        preference = float("nan") if verdict.preference is None else verdict.preference
        rows.append((pair.prompt_id, pair.category, game, preference if game == 1 else 1 - preference,
                     verdict.strength, verdict.text))  # fmt: skip
    return pd.DataFrame(rows, columns=["prompt_id", "category", "game", "outcome", "weight", "text"])


def valid_games(games: pd.DataFrame, invalid: Invalid) -> pd.DataFrame:
    """The games that count."""
    readable = games["outcome"].notna()
    if invalid == "drop_prompt":
        readable = readable.groupby(games["prompt_id"]).transform("all")
    return games[readable].reset_index(drop=True)


def prompt_win_rates(games: pd.DataFrame) -> dict[str, float]:
    """The model's share of the battles of each prompt that has any, in [0, 1]."""
    won = (games["outcome"] * games["weight"]).groupby(games["prompt_id"], sort=False).sum()
    total = games["weight"].groupby(games["prompt_id"], sort=False).sum()
    return {str(prompt_id): float(value) for prompt_id, value in (won / total).items()}


def standard_error_over_prompts(games: pd.DataFrame) -> float:
    """Of the share of all battles that the model won, a ratio of sums over prompts (Cochran 1977, section 6.4); NaN for
    one prompt."""
    fought = pd.DataFrame({"won": games["outcome"] * games["weight"], "total": games["weight"]})
    won, total = fought.groupby(games["prompt_id"], sort=False).sum().to_numpy(np.float64).T
    if total.size < 2:
        return float("nan")
    residuals = won - won.sum() / total.sum() * total
    return float(np.sqrt(total.size / (total.size - 1) * np.square(residuals).sum()) / total.sum())


def position_flips(games: pd.DataFrame) -> dict[str, float]:
    """1 for each prompt whose winner (model, baseline or tie) changes with the order, else 0; both games readable."""
    winners = np.sign(games["outcome"] - 0.5).where(games["outcome"].notna())
    table = pd.DataFrame({"prompt_id": games["prompt_id"], "game": games["game"], "winner": winners})
    table = table.pivot(index="prompt_id", columns="game", values="winner").dropna()
    return {str(prompt_id): float(row[1] != row[2]) for prompt_id, row in table.iterrows()}


def first_position_shares(games: pd.DataFrame) -> dict[str, float]:
    """What of each prompt's two games went to the answer shown first, in [0, 1]; both games readable."""
    table = games.pivot(index="prompt_id", columns="game", values="outcome").dropna()
    return {str(prompt_id): float((1 - row[1] + row[2]) / 2) for prompt_id, row in table.iterrows()}


def battles(games: pd.DataFrame, style: np.ndarray | None = None) -> Battles:
    """Battles of the model against the baseline; ``style`` [games, k] is the model's minus the baseline's."""
    players = [MODEL] * len(games), [BASELINE] * len(games)
    return battles_of(*players, games["outcome"].to_numpy(), games["weight"].to_numpy(), style)


def bradley_terry_elo(games: pd.DataFrame, rounds: int, seed: int) -> Score:
    """v0.1: the model's Elo with the baseline at 1000; the interval holds 95 % of bootstrap resamples of battles."""
    fought = battles(games)
    elo = fit(fought, BASELINE).ratings[MODEL]
    low, high = np.percentile(bootstrap(fought, BASELINE, rounds, seed)[MODEL], (2.5, 97.5))
    return Score(elo, float(low), float(high))


def bradley_terry_score(games: pd.DataFrame, rounds: int, seed: int) -> Score:
    """v0.1: 1 / (1 + 10^((1000 - Elo) / 400)), in [0, 1]: with one model (W + T/2) / (W + T + L)."""
    elo = bradley_terry_elo(games, rounds, seed)
    return Score(*(win_probability(value, ANCHOR_RATING) for value in (elo.value, elo.low, elo.high)))


def bootstrap_mean_score(games: pd.DataFrame, rounds: int, seed: int) -> Score:
    """v2.0: the mean over bootstrap resamples of the mean outcome of a battle; the interval holds 90 % of them."""
    fought = battles(games)
    total = round(float(fought.weight.sum()))
    draws = np.random.default_rng(seed).multinomial(total, fought.weight / fought.weight.sum(), size=rounds)
    means = draws @ fought.outcome / total
    low, high = np.percentile(means, (5, 95))
    return Score(float(means.mean()), float(low), float(high))


@dataclass(frozen=True)
class Protocol:
    """How a version of the benchmark counts."""

    invalid: Invalid
    coverage: str
    """Of its intervals."""


PROTOCOLS: Mapping[str, Protocol] = {
    "v0.1": Protocol("drop_game", "95 % (2.5 to 97.5)"),
    "v2.0": Protocol("drop_prompt", "90 % (5 to 95)"),
}
SCORES = {"v0.1": bradley_terry_score, "v2.0": bootstrap_mean_score}
