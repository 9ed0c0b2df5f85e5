"""TruthfulQA (Lin, Hilton, Evans 2022, 2109.07958), multiple choice: does the model find true answers likelier?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.suite import Aggregate, Answer, Answers, Evaluated, Question, SuiteSettings
from tasks.evaluation.suites.truthful_qa_items import (
    QA_PROMPT,
    Item,
    chance_levels,
    choice_files,
    choice_metrics,
    question_of,
    read_items,
)

METHOD = "mean over questions"


class TruthfulQA(SuiteSettings):
    """MC1, MC2 and MC3 of the 817 questions of 2021; of the 790 of 2025 also the two-option version, MC0.

    Candidates are scored one by one under the six-example QA prompt by summed log-probabilities, without any
    normalisation by length. So no order of options is seen; the authors' two-option version shows both as (A) and (B).
    """

    name: ClassVar[str] = "truthful_qa"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    version: Literal["2021", "2025"] = Field(
        "2021", description="817 questions (as published results), or the revision of January 2025 with 790"
    )

    def files(self) -> list[Path]:
        """See ``Suite``; with the table of categories where it lies beside the questions."""
        return choice_files(self.name, self.data, self.version)

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version=f"multiple choice of {self.version}, sylinrl/TruthfulQA MC_calcs",
            split=f"all, first {self.limit}" if self.limit else "all",
            template_digest=digest_of(QA_PROMPT),
            aggregation="mean over questions of summed log-probabilities compared, not normalised by length",
            tie_rule="a tie is wrong; mc1_argmax: right, as the best answer is listed first",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(self.items()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        items = self.items()
        found = require_answers(self.name, self.asked(items), answers)
        metrics = [choice_metrics(item, answer.scores) for item, answer in zip(items, found, strict=True)]
        values = {
            metric: {item.prompt_id: own[metric] for item, own in zip(items, metrics, strict=True) if metric in own}
            for metric in metrics[0]
        }
        headline = next(iter(values))
        means = [mean_aggregate(metric, list(own.values()), method=METHOD) for metric, own in values.items()]
        return Evaluated(
            scores=score_frame(values),
            aggregates=means + category_means(headline, values[headline], items),
            samples=sample_table(items, found, metrics),
            notes=[chance_note(items)],
        )

    def items(self) -> list[Item]:
        """The questions with their candidates."""
        return read_items(self.name, self.data, self.version, self.limit)

    def asked(self, items: Sequence[Item]) -> list[Question]:
        """Every question with all of its candidates."""
        return [question_of(item, range(len(item.candidates))) for item in items]


def category_means(metric: str, values: Mapping[str, float], items: Sequence[Item]) -> list[Aggregate]:
    """The headline by category, where the categories are known."""
    grouped: dict[str, list[float]] = {}
    for item in items:
        grouped.setdefault(item.category, []).append(values[item.prompt_id])
    grouped.pop("", None)
    return [mean_aggregate(metric, own, category, METHOD) for category, own in sorted(grouped.items())]


def sample_table(
    items: Sequence[Item], found: Sequence[Answer], metrics: Sequence[Mapping[str, float]]
) -> pd.DataFrame:
    """Each question with the best answer, the likeliest false one, their log-probabilities and all its metrics."""
    rows = []
    for item, answer, own in zip(items, found, metrics, strict=True):
        rival = max(item.false, key=lambda index: answer.scores[index])
        rows.append(
            {
                "prompt_id": item.prompt_id,
                "category": item.category,
                "question": item.question,
                "best_answer": item.candidates[item.best],
                "best_log_prob": answer.scores[item.best],
                "likeliest_false_answer": item.candidates[rival],
                "false_log_prob": answer.scores[rival],
                **own,
            }
        )
    return pd.DataFrame(rows)


def chance_note(items: Sequence[Item]) -> str:
    """What guessing would give on these questions."""
    chance = chance_levels(items)
    return (
        f"a uniformly random choice would have MC1 {chance['mc1']:.6f} on these {len(items)} questions, and equal "
        f"probabilities MC2 {chance['mc2']:.6f}"
    )
