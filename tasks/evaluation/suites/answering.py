"""What suites do with answers: insist on every one, lay values out by prompt, and sum them up."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.statistics.intervals import Identical
from tasks.evaluation.statistics.wilson import wilson_interval
from tasks.evaluation.suites.suite import Aggregate, Answer, Answers, Question

NAMED = 5
"""Prompt ids that an error names."""


def unanswered(questions: Sequence[Question], answers: Answers) -> list[Question]:
    """The questions that still have to be asked, in their order."""
    return [question for question in questions if question.prompt_id not in answers]


def require_answers(suite: str, questions: Sequence[Question], answers: Answers) -> list[Answer]:
    """One answer a question, in their order.

    Raises:
        UserError: a question has no answer, or one that does not fit it: no response, another number of scores than
            candidates, a score that is not finite. Names the suite, the first such questions and how many there are.
    """
    problems = {question.prompt_id: problem_of(question, answers.get(question.prompt_id)) for question in questions}
    bad = [f"{prompt_id} ({problem})" for prompt_id, problem in problems.items() if problem]
    if bad:
        shown = ", ".join(bad[:NAMED]) + (", ..." if len(bad) > NAMED else "")
        raise UserError(
            f"{suite}: {len(bad)} of {len(questions)} questions are not answered: {shown}; "
            "answer them, or set the suite's limit to the questions that are"
        )
    return [answers[question.prompt_id] for question in questions]


def problem_of(question: Question, answer: Answer | None) -> str:
    """Why ``answer`` is none to ``question``; empty if it is one."""
    if answer is None:
        return "no answer"
    if not question.candidates:
        return "" if answer.responses else "no response"
    if len(answer.scores) != len(question.candidates):
        return f"{len(answer.scores)} scores of {len(question.candidates)} candidates"
    return "" if all(math.isfinite(score) for score in answer.scores) else "a score that is not finite"


def score_frame(values: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Columns prompt_id, metric, value from ``{metric: {prompt_id: value}}``."""
    rows = [(prompt_id, metric, float(value)) for metric, found in values.items() for prompt_id, value in found.items()]
    return pd.DataFrame(rows, columns=["prompt_id", "metric", "value"])


def mean_aggregate(metric: str, values: Sequence[float], group: str = "", method: str = "mean") -> Aggregate:
    """The mean over prompts with a two-sided 95 % interval, and ``method`` completed by how that was made.

    Values of a share that are all 0 or 1 get Wilson's score interval; several equal values of a bounded metric
    Clopper-Pearson's bound on other values; any others Student's, cut at the ends of the metric's range (NaN for one
    value). The standard error is the sample's over sqrt(n). Raises UserError without values.
    """
    if not len(values):
        raise UserError(f"{metric}{f' of {group}' if group else ''}: there is no value to average")
    sample = np.asarray(values, dtype=np.float64)
    how, (low, high) = limits_of_mean(metric, sample)
    return Aggregate(
        metric=metric,
        value=float(sample.mean()),
        standard_error=standard_error_of_mean(sample),
        low=low,
        high=high,
        n=int(sample.size),
        method=f"{method}, {how} 95 %",
        group=group,
    )


def standard_error_of_mean(sample: np.ndarray) -> float:
    """Sample standard deviation over sqrt(n); NaN for one value."""
    return float(sample.std(ddof=1) / math.sqrt(sample.size)) if sample.size > 1 else math.nan


def limits_of_mean(metric: str, sample: np.ndarray) -> tuple[str, tuple[float, float]]:
    """The interval of ``mean_aggregate`` and its name."""
    if metric_range(metric) == (0.0, 1.0) and np.isin(sample, (0.0, 1.0)).all():
        return "Wilson", wilson_interval(float(sample.sum()), sample.size)
    if (ends := equal_limits(metric, sample)) is not None:
        return "Clopper-Pearson (all values equal)", ends
    return "Student t", student_limits(metric, sample)


def equal_limits(metric: str, sample: np.ndarray) -> tuple[float, float] | None:
    """95 % interval of the mean of several equal values, which show no noise; None for others and without a range."""
    ends = metric_range(metric)
    if sample.size < 2 or np.ptp(sample) > 0.0 or not all(map(math.isfinite, ends)):
        return None
    return Identical(float(sample[0]), sample.size, *ends).limits(0.05)


def student_limits(metric: str, sample: np.ndarray) -> tuple[float, float]:
    """mean -/+ t(0.975; n - 1) standard errors, inside the metric's range; NaN for one value."""
    from scipy.stats import t

    if sample.size < 2:
        return math.nan, math.nan
    half = float(t.ppf(0.975, sample.size - 1)) * standard_error_of_mean(sample)
    lowest, highest = metric_range(metric)
    mean = float(sample.mean())
    return max(lowest, mean - half), min(highest, mean + half)
