"""From the scores of single stages to one tidy table: the only place where arms and seeds get their names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from prefect.futures import PrefectFuture

from tasks.data.tables import read_scores
from tasks.engine.refs import Checkpoint, Scores, checkpoint_in
from tasks.engine.schema import UserError
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.suite_reports import own_numbers


@dataclass(frozen=True)
class Pending:
    """Scores that a stage is computing for an arm at a seed."""

    arm: str
    seed: int
    suite: str
    scores: PrefectFuture[Scores]
    policy: PrefectFuture[Any] | None = None
    """The checkpoint, or series of them, that was measured: what the arm has trained."""


@dataclass(frozen=True)
class Collected:
    """All scores of a run, what went wrong by ``arm seed``, and what each ``arm seed`` has trained."""

    scores: pd.DataFrame
    failures: dict[str, str]
    policies: dict[str, Checkpoint] = field(default_factory=dict)
    benchmarks: list[dict[str, Any]] = field(default_factory=list)
    """The suites' own numbers: arm, seed, suite and the fields of an ``Aggregate``."""


def collect(paper: str, pending: Sequence[Pending]) -> Collected:
    """Wait for every stage and stack what it measured; an arm that failed is named and the others go on.

    Raises UserError if no arm has scores.

    A point of an arm (a checkpoint, a temperature) is an arm of its own: ``dpo@50%``, ``dpo@T0.25``.
    """
    frames: list[pd.DataFrame] = []
    failures: dict[str, str] = {}
    policies: dict[str, Checkpoint] = {}
    benchmarks: list[dict[str, Any]] = []
    for one in pending:
        one.scores.wait()
        if one.policy is not None and one.policy.state.is_completed():
            trained = checkpoint_in(one.policy.result())
            policies |= {f"{one.arm}-s{one.seed}": trained} if trained else {}
        if one.scores.state.is_completed():
            scores = one.scores.result()
            frames.append(named(read_scores(scores), paper, one.arm, one.seed, one.suite))
            place = {"arm": one.arm, "seed": one.seed, "suite": one.suite}
            benchmarks += [place | aggregate for aggregate in own_numbers(scores)]
        else:
            failures.setdefault(f"{one.arm}-s{one.seed}", reason(one.scores))
    if not frames:
        label, why = next(iter(failures.items()), ("", "no arm was asked for"))
        raise UserError(f"no arm has scores; first {label}: {why}")
    return Collected(concat_scores(frames), failures, policies, benchmarks)


def named(table: pd.DataFrame, paper: str, arm: str, seed: int, suite: str) -> pd.DataFrame:
    """A stage's scores (point, prompt_id, metric, value) as tidy scores."""
    arms = [f"{arm}@{point}" if point else arm for point in table["point"]]
    return table.assign(paper=paper, arm=arms, seed=seed, suite=suite)


def reason(future: PrefectFuture[Scores]) -> str:
    """Why a stage has no result: its own error, or that a stage it needs failed."""
    message = future.state.message or future.state.name or "failed"
    return message.removeprefix("Task run encountered an exception ")
