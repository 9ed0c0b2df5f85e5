"""The tidy table of scores that every evaluation writes and every statistic reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import metric_range

KEY = ["paper", "arm", "seed", "suite", "prompt_id", "metric"]
COLUMNS = [*KEY, "value"]
FINAL = ""
"""The point of an arm's own scores: its last checkpoint, decoded as every arm is."""
OWN_SHARE = 0.9
"""From this share of prompts that one seed alone has, seeds count as having drawn prompts of their own."""
ROUNDING = 1e-9
"""How far a value may stick out of its metric's range."""


def score_rows(
    *, paper: str, arm: str, seed: int, suite: str, metric: str, values: Mapping[str, float]
) -> pd.DataFrame:
    """One row a prompt, from ``{prompt_id: value}``; a prompt with several samples brings their mean."""
    rows = [(paper, arm, seed, suite, prompt_id, metric, float(v)) for prompt_id, v in values.items()]
    return validate_scores(pd.DataFrame(rows, columns=COLUMNS))


def validate_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return ``scores`` with exactly the columns of ``COLUMNS``, ``seed`` int64 and ``value`` float64.

    Raises: UserError: a column is missing, a value is not a finite number, or a key occurs twice; the
    message names the first such row by arm, seed, metric and prompt_id.
    """
    missing = [column for column in COLUMNS if column not in scores.columns]
    if missing:
        raise UserError(f"scores lack the column(s) {', '.join(missing)}; wanted are {', '.join(COLUMNS)}")
    tidy = scores.loc[:, COLUMNS].reset_index(drop=True)
    tidy["value"] = pd.to_numeric(tidy["value"], errors="coerce").astype("float64")
    broken = tidy[~np.isfinite(tidy["value"])]
    if len(broken):
        raise UserError(
            f"{len(broken)} score(s) are not finite numbers, first: {_where(broken)}; "
            "leave a failed arm out of the scores or mend its metric"
        )
    beyond = tidy[~_within_range(tidy)]
    if len(beyond):
        raise UserError(
            f"{len(beyond)} score(s) lie outside their metric's range, first: {_where(beyond)}; "
            "mend the metric or give it another name"
        )
    doubled = tidy[tidy.duplicated(KEY)]
    if len(doubled):
        raise UserError(
            f"{len(doubled)} score(s) occur twice, first: {_where(doubled)}; "
            "average the samples of a prompt and evaluate each arm and seed once"
        )
    return tidy.astype({"seed": "int64"})


def _within_range(scores: pd.DataFrame) -> pd.Series:
    ranges = {name: metric_range(str(name)) for name in scores["metric"].unique()}
    lowest = scores["metric"].map({name: low for name, (low, _) in ranges.items()}).astype("float64")
    highest = scores["metric"].map({name: high for name, (_, high) in ranges.items()}).astype("float64")
    return scores["value"].between(lowest - ROUNDING, highest + ROUNDING)


def concat_scores(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack score tables into one and validate the whole: the same arm and seed must not come twice."""
    if not frames:
        return pd.DataFrame({column: [] for column in COLUMNS}).astype({"seed": "int64", "value": "float64"})
    return validate_scores(pd.concat(frames, ignore_index=True))


class Aligned(NamedTuple):
    """Matched tables, one a series: index seed, columns prompt_id, the same in all of them."""

    tables: list[pd.DataFrame]
    left_out: str
    """What some series lacked and all therefore lost, as one sentence; empty if nothing."""


def align(scores: pd.DataFrame, suite: str, series: Sequence[tuple[str, str]]) -> Aligned:
    """Cut each ``(arm, metric)`` of ``series`` to the seeds and prompts that all of them have in ``suite``.

    A seed in which one arm has no scores is left out for every arm, so a comparison stays paired; then
    prompts that any remaining (arm, seed) lacks are left out. Where every seed drew prompts of its own, arms are
    paired on those of a seed, which are then numbered: columns ``own-000000`` on, as many as the seed with the fewest.

    Raises:
        UserError: an arm has no such metric in the suite, or no seed or prompt is common to all.
    """
    tables = [_table(scores, suite, arm, metric) for arm, metric in series]
    seeds = sorted(set.intersection(*(set(table.index) for table in tables)))
    own = [_common([table.loc[seed].dropna().index for table in tables]) for seed in seeds]
    numbered = _seeds_have_their_own(own)
    prompts = _numbers(min(map(len, own))) if numbered else _common(own)
    if not prompts:
        names = ", ".join(sorted({arm for arm, _ in series}))
        raise UserError(f"arms {names} have no seed and prompt in common in suite '{suite}'; nothing to pair")
    lost_seeds = sorted(set.union(*(set(table.index) for table in tables)) - set(seeds))
    known = set.union(*(set(table.loc[seeds].columns) for table in tables))
    lost_prompts = len(known) - len(prompts) * (len(seeds) if numbered else 1)
    cut = [_numbered(table, seeds, own, prompts) if numbered else table.loc[seeds, prompts] for table in tables]
    return Aligned(cut, _left_out(lost_seeds, lost_prompts))


def _common(prompts: Sequence[Iterable[str]]) -> list[str]:
    """The prompts that are in all of ``prompts``, in order."""
    return sorted(set.intersection(*map(set, prompts))) if prompts else []


def _seeds_have_their_own(own: Sequence[Sequence[str]]) -> bool:
    """Whether nearly every prompt is one seed's alone: drawn for it, and not merely left out elsewhere."""
    times = Counter(prompt for prompts in own for prompt in prompts)
    return len(own) > 1 and sum(count == 1 for count in times.values()) > OWN_SHARE * len(times)


def _numbers(count: int) -> list[str]:
    return [f"own-{number:06d}" for number in range(count)]


def _numbered(
    table: pd.DataFrame, seeds: Sequence[int], own: Sequence[Sequence[str]], numbers: Sequence[str]
) -> pd.DataFrame:
    """The first of every seed's own prompts under common numbers."""
    rows = [table.loc[seed, list(mine[: len(numbers)])].to_numpy() for seed, mine in zip(seeds, own, strict=True)]
    return pd.DataFrame(np.stack(rows), index=pd.Index(seeds, name="seed"), columns=list(numbers))


def _table(scores: pd.DataFrame, suite: str, arm: str, metric: str) -> pd.DataFrame:
    chosen = scores[(scores["suite"] == suite) & (scores["arm"] == arm) & (scores["metric"] == metric)]
    if chosen.empty:
        present = ", ".join(sorted(scores.loc[scores["suite"] == suite, "arm"].unique())) or "none"
        raise UserError(f"arm '{arm}' has no '{metric}' in suite '{suite}'; arms scored there: {present}")
    return chosen.pivot(index="seed", columns="prompt_id", values="value")


def _left_out(seeds: Sequence[int], prompts: int) -> str:
    parts = []
    if seeds:
        parts.append(f"seed(s) {', '.join(map(str, seeds))}")
    if prompts:
        parts.append(f"{prompts} prompt(s)")
    return f"left out, since not every arm has them: {' and '.join(parts)}" if parts else ""


def _where(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return (
        f"arm '{first['arm']}', seed {first['seed']}, metric '{first['metric']}', "
        f"prompt_id '{first['prompt_id']}' (suite '{first['suite']}', value {first['value']})"
    )
