"""From a suite's answers to its numbers, kept as one artifact: tidy scores, aggregates, samples, notes."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.data.tables import SCORES
from tasks.engine.refs import Answers, Scores
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.evaluation.answering import read_answers
from tasks.evaluation.judges.opening import open_judge
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.measuring import FINAL
from tasks.evaluation.subjects.outputs import OutputsFile, read_outputs
from tasks.evaluation.suites.suite import Evaluated, Suite

REPORT, SAMPLES = "report.json", "samples.parquet"
SHOWN = 200
"""Samples that MLflow's table shows; the artifact holds them all."""


@dataclass(frozen=True)
class SuiteReport:
    """What a suite found, read back."""

    aggregates: list[dict[str, Any]]
    """One ``Aggregate`` each; what is not a number is None."""
    notes: list[str]
    judge: str
    judge_version: str


def score_answers(suite: Suite, answers: Answers, judge: JudgeSettings, recorded: list[OutputsFile]) -> Scores:
    """Score the answers; ``recorded`` (none or one) is the file whose verdicts a recorded judge repeats.

    Raises UserError if a question has no answer or the judge stopped half-way.
    """
    opened = open_judge(judge, read_outputs(recorded[0]) if recorded else [])
    found = suite.evaluate(read_answers(answers), opened)
    whole = {aggregate.metric: aggregate.value for aggregate in found.aggregates if not aggregate.group}
    tracker = current_tracker()
    tracker.metrics({f"eval/{name}": value for name, value in whole.items() if math.isfinite(value)}, 0)
    tracker.table("aggregates.json", pd.DataFrame([asdict(aggregate) for aggregate in found.aggregates]))
    tracker.table("samples.json", found.samples.head(SHOWN))
    tracker.table("scores.json", found.scores)
    if found.notes:
        tracker.text("notes.md", "\n".join(f"- {note}" for note in found.notes))
    return store_evaluated(found, opened.name, opened.version)


def store_evaluated(found: Evaluated, judge: str, judge_version: str) -> Scores:
    """Store what a suite found."""
    table = pd.DataFrame([asdict(aggregate) for aggregate in found.aggregates])
    report = {
        "aggregates": json.loads(table.to_json(orient="records", double_precision=15)),
        "notes": found.notes,
        "judge": judge,
        "judge_version": judge_version,
    }

    def fill(folder: Path) -> None:
        found.scores.assign(point=FINAL).to_parquet(folder / SCORES, index=False)
        found.samples.to_parquet(folder / SAMPLES, index=False)
        (folder / REPORT).write_text(json.dumps(report))

    return Store().write(Scores, fill, rows=len(found.scores))


def read_report(ref: Scores) -> SuiteReport:
    """The suite's own numbers behind ``ref``; its tidy scores are read as those of any stage."""
    return SuiteReport(**json.loads((Store().open(ref) / REPORT).read_text()))
