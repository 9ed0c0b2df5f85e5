"""Calibration on multiple choice: are the answers that a model finds likely as often right?"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from tasks.evaluation.calibration import (
    ReliabilityBin,
    brier_score,
    expected_calibration_error,
    probabilities,
    reliability_bins,
)
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.suite import Aggregate, Answer, Answers, Evaluated, Question, SuiteSettings
from tasks.evaluation.suites.truthful_qa_items import QA_PROMPT, Item, choice_files, question_of, read_items


class Calibration(SuiteSettings):
    """Expected calibration error and Brier score on the questions and MC1 candidates of TruthfulQA.

    A candidate's probability is the softmax over the question's candidates of summed log-probabilities under the
    six-example QA prompt; confidence is the highest. The candidates differ in length, and nothing is normalised by it.
    """

    name: ClassVar[str] = "calibration"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    version: Literal["2021", "2025"] = Field("2021", description="TruthfulQA's 817 questions, or the revised 790")
    bins: int = Field(10, ge=1, le=1000, description="Bins of equal width over confidence")

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return choice_files(self.name, self.data, self.version)[:1]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version=f"TruthfulQA multiple choice of {self.version}, MC1 candidates",
            split=f"all, first {self.limit}" if self.limit else "all",
            template_digest=digest_of(QA_PROMPT),
            aggregation=f"expected calibration error over {self.bins} bins of equal width; mean Brier score",
            tie_rule="a best answer that another candidate equals is wrong",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(asked(self.items()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        items = self.items()
        found = require_answers(self.name, asked(items), answers)
        table = sample_table(items, found)
        values = {
            metric: dict(zip(table["prompt_id"], table[metric], strict=True))
            for metric in ("brier_score", "accuracy", "confidence")
        }
        error = Aggregate(
            metric="expected_calibration_error",
            value=expected_calibration_error(table["confidence"], table["accuracy"], self.bins),
            n=len(items),
            method=f"{self.bins} bins of equal width, no interval",
        )
        means = [
            mean_aggregate(metric, list(own.values()), method="mean over questions") for metric, own in values.items()
        ]
        bins = reliability_bins(table["confidence"], table["accuracy"], self.bins)
        return Evaluated(
            scores=score_frame(values),
            aggregates=[error, *means, *(part for one in bins for part in bin_aggregates(one))],
            samples=table,
            notes=["the reliability table is among the aggregates, grouped by bin of confidence"],
        )

    def items(self) -> list[Item]:
        """The questions with their candidates."""
        return read_items(self.name, self.data, self.version, self.limit)


def offered(item: Item) -> list[int]:
    """MC1's candidates: the best answer first, then the false ones."""
    return [item.best, *item.false]


def asked(items: Sequence[Item]) -> list[Question]:
    """Every question with MC1's candidates."""
    return [question_of(item, offered(item)) for item in items]


def sample_table(items: Sequence[Item], found: Sequence[Answer]) -> pd.DataFrame:
    """Each question with the likeliest candidate, its probability, the best answer's, and what follows."""
    rows = []
    for item, answer in zip(items, found, strict=True):
        probability = probabilities(answer.scores)
        rows.append(
            {
                "prompt_id": item.prompt_id,
                "question": item.question,
                "likeliest": item.candidates[offered(item)[int(probability.argmax())]],
                "confidence": float(probability.max()),
                "best_answer": item.candidates[item.best],
                "best_probability": float(probability[0]),
                "accuracy": float(max(answer.scores[1:], default=-math.inf) < answer.scores[0]),
                "brier_score": brier_score(probability, 0),
            }
        )
    return pd.DataFrame(rows)


def bin_aggregates(one: ReliabilityBin) -> list[Aggregate]:
    """Accuracy and mean confidence of a bin: one row of the reliability table."""
    group = f"confidence {one.low:.3g} to {one.high:.3g}"
    return [
        mean_aggregate("accuracy", one.correct, group, "mean over the bin"),
        mean_aggregate("confidence", one.confidence, group, "mean over the bin"),
    ]
