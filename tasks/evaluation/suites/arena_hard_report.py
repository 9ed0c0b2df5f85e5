"""Arena-Hard's numbers from pairs of answers and the verdicts on them; shared with its twin in the tiny world."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Verdict
from tasks.evaluation.suites.answering import mean_aggregate, score_frame
from tasks.evaluation.suites.arena_hard_battles import (
    PROTOCOLS,
    SCORES,
    Pair,
    bradley_terry_elo,
    first_position_shares,
    games_of,
    position_flips,
    prompt_win_rates,
    standard_error_over_prompts,
    valid_games,
)
from tasks.evaluation.suites.arena_hard_style import (
    Centre,
    Control,
    count_pieces,
    style_controlled_score,
    style_differences,
)
from tasks.evaluation.suites.suite import Aggregate, Evaluated


@dataclass(frozen=True)
class Rules:
    """How verdicts become numbers."""

    suite: str
    version: Literal["v0.1", "v2.0"]
    control: Control
    centre: Centre
    rounds: int
    """Bootstrap resamples."""
    seed: int


def report(pairs: Sequence[Pair], verdicts: Sequence[Verdict], rules: Rules) -> Evaluated:
    """Scores, aggregates by category, samples and notes; ``verdicts`` are those on ``both_orders(pairs)``.

    Raises:
        UserError: no verdict of a category counts.
    """
    games = games_of(pairs, verdicts)
    valid = valid_games(games, PROTOCOLS[rules.version].invalid)
    values = {
        "win_rate": prompt_win_rates(valid),
        "position_flip_rate": position_flips(games),
        "first_position_share": first_position_shares(games),
        "invalid_judgments": {str(key): float(value) for key, value in unread_shares(games).items()},
        "response_tokens": {pair.prompt_id: pair.tokens for pair in pairs},
    }
    notes = notes_of(games, valid, pairs)
    aggregates: list[Aggregate] = []
    for category in dict.fromkeys(pair.category for pair in pairs):
        aggregates += aggregates_of(category, pairs, valid, values, rules, notes)
    return Evaluated(score_frame(values), aggregates, samples_of(pairs, games, values["win_rate"]), notes)


def aggregates_of(
    category: str,
    pairs: Sequence[Pair],
    valid: pd.DataFrame,
    values: dict[str, dict[str, float]],
    rules: Rules,
    notes: list[str],
) -> Iterator[Aggregate]:
    """The headline of one category and what stands beside it; what there is to say is added to ``notes``."""
    members = [pair for pair in pairs if pair.category == category]
    names = {pair.prompt_id for pair in members}
    games = valid[valid["prompt_id"].isin(names)].reset_index(drop=True)
    if games.empty:
        where = f" of {category}" if category else ""
        raise UserError(f"{rules.suite}: no verdict on the {len(members)} prompts{where} could be read; look at what "
                        "the judge says, or take another judge")  # fmt: skip
    rates = [rate for name, rate in values["win_rate"].items() if name in names]
    coverage = PROTOCOLS[rules.version].coverage
    how = f"{rules.rounds} bootstrap resamples of {int(games['weight'].sum())} battles, {coverage}"
    score = SCORES[rules.version](games, rules.rounds, rules.seed)
    estimator = "Bradley-Terry" if rules.version == "v0.1" else "mean over resamples"
    yield Aggregate("win_rate", score.value, standard_error_over_prompts(games), score.low, score.high, len(rates),
                    f"{estimator}, strong verdicts count 3, {how}; standard error over prompts", category)  # fmt: skip
    if rules.version == "v0.1":
        elo = bradley_terry_elo(games, rules.rounds, rules.seed)
        yield Aggregate("arena_hard_elo", elo.value, low=elo.low, high=elo.high, n=len(rates),
                        method=f"Bradley-Terry, baseline at 1000, {how}", group=category)  # fmt: skip
    if rules.control != "off":
        yield controlled(category, members, games, rules, how, notes)
    for metric in ("position_flip_rate", "first_position_share", "invalid_judgments", "response_tokens"):
        if found := [value for name, value in values[metric].items() if name in names]:
            yield mean_aggregate(metric, found, group=category, method="mean over prompts")


def controlled(
    category: str, members: Sequence[Pair], games: pd.DataFrame, rules: Rules, how: str, notes: list[str]
) -> Aggregate:
    """The style-controlled win rate of one category."""
    place = {pair.prompt_id: index for index, pair in enumerate(members)}
    differences = style_differences(rules.version, [pair.answer for pair in members], [p.baseline for p in members])
    rows = differences[[place[name] for name in games["prompt_id"]]]
    score, coefficients = style_controlled_score(
        rules.version, games, rows, rules.control, rules.centre, rules.rounds, rules.seed
    )
    told = ", ".join(f"{name} {value:+.3f}" for name, value in coefficients.items())
    notes.append(f"style coefficients{f' of {category}' if category else ''} (logits a standard deviation): {told}")
    return Aggregate("style_controlled_win_rate", score.value, low=score.low, high=score.high,
                     n=games["prompt_id"].nunique(),
                     method=f"Bradley-Terry with columns for {rules.control}, {rules.centre}, {how}",
                     group=category)  # fmt: skip


def unread_shares(games: pd.DataFrame) -> pd.Series:
    """Share of each prompt's games without a readable verdict, in [0, 1]."""
    return games["outcome"].isna().groupby(games["prompt_id"], sort=False).mean()


def samples_of(pairs: Sequence[Pair], games: pd.DataFrame, rates: dict[str, float]) -> pd.DataFrame:
    """Prompt, both answers and both verdicts, one row a prompt."""
    first, second = (games[games["game"] == game].reset_index(drop=True) for game in (1, 2))
    return pd.DataFrame(
        {
            "prompt_id": [pair.prompt_id for pair in pairs],
            "category": [pair.category or pair.family for pair in pairs],
            "prompt": [pair.prompt[-1]["content"] for pair in pairs],
            "response": [pair.answer for pair in pairs],
            "reference": [pair.baseline for pair in pairs],
            "win_rate": [rates.get(pair.prompt_id, float("nan")) for pair in pairs],
            "verdict_baseline_first": first["outcome"],
            "verdict_model_first": second["outcome"],
            "judge_baseline_first": first["text"],
            "judge_model_first": second["text"],
        }
    )


def notes_of(games: pd.DataFrame, valid: pd.DataFrame, pairs: Sequence[Pair]) -> list[str]:
    """What was left out, and the lengths."""
    unread = int(games["outcome"].isna().sum())
    own = np.mean([count_pieces(pair.answer) for pair in pairs])
    other = np.mean([count_pieces(pair.baseline) for pair in pairs])
    notes = [
        f"{unread} of {len(games)} verdicts could not be read, and {len(games) - len(valid)} games do not count",
        f"mean length in words and signs: model {own:.0f}, baseline {other:.0f}; style control counts both so, "
        "as no OpenAI tokenizer is at hand",
        "the bootstrap draws the battles of a prompt apart, as the benchmark does; the standard error is over prompts",
    ]
    shares = set(valid["outcome"])
    if shares <= {0.0} or shares <= {1.0}:
        notes.append("one side won every battle: the Elo rating has no finite value, and the interval no width")
    return notes
