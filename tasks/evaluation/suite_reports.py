"""A suite's numbers as one artifact: tidy scores, aggregates, samples and notes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.data.tables import SCORES
from tasks.engine.refs import Scores
from tasks.engine.store import Store
from tasks.evaluation.scores import FINAL
from tasks.evaluation.suites.suite import Evaluated

REPORT, SAMPLES = "report.json", "samples.parquet"


@dataclass(frozen=True)
class SuiteReport:
    """What a suite found, read back."""

    aggregates: list[dict[str, Any]]
    """One ``Aggregate`` each; what is not a number is None."""
    notes: list[str]
    judge: str
    judge_version: str


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


def own_numbers(ref: Scores) -> list[dict[str, Any]]:
    """A suite's aggregates behind ``ref``; none where a stage measured without a suite."""
    return read_report(ref).aggregates if (Store().open(ref) / REPORT).exists() else []
