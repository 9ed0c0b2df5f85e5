"""Submitting the stage that scores a suite's answers."""

from collections.abc import Sequence

from prefect.futures import PrefectFuture

from tasks.data.identity import identify_model
from tasks.engine.refs import Answers, Scores
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.stages import run_answers, score_answers
from tasks.evaluation.subjects.outputs import OutputsFile
from tasks.evaluation.suites.suite import Suite


def submit_scoring(
    suite: Suite,
    content: str,
    answers: PrefectFuture[Answers],
    judge: JudgeSettings,
    outputs: Sequence[OutputsFile],
) -> PrefectFuture[Scores]:
    """Score the answers: programs with every core, everything else with one and the judge at hand.

    ``outputs`` is the file whose verdicts a recorded judge repeats.
    """
    if suite.runs_code:
        return run_answers.submit(suite, content, answers, judge)
    judge_content = identify_model(judge.model) if judge.model else ""
    recorded = list(outputs) if judge.kind == "recorded" else []
    return score_answers.submit(suite, content, answers, judge, judge_content, recorded)
