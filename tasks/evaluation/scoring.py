"""From a suite's answers to its numbers."""

import math
from dataclasses import asdict

import pandas as pd

from tasks.engine.refs import Answers, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.answering import read_answers
from tasks.evaluation.judges.opening import open_judge
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.subjects.outputs import OutputsFile, read_outputs
from tasks.evaluation.suite_reports import store_evaluated
from tasks.evaluation.suites.suite import Suite

SHOWN = 200
"""Samples that MLflow's table shows; the artifact holds them all."""


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
