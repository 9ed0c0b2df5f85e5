"""Twins of GSM8K and HumanEval in the tiny world: answers that a verifier accepts or not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field, model_validator

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import prompt_text
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.suite import Answer, Answers, Evaluated, Question
from tasks.evaluation.suites.tiny_prompts import (
    TinySettings,
    best_answer,
    evaluation_rows,
    share_right,
    tiny_conventions,
)


class TinyGSM8K(TinySettings):
    """Word problems of two or three steps, right if the digits after the last #### are the answer."""

    name: ClassVar[str] = "tiny_gsm8k"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    samples: int = Field(1, ge=1, le=1000, description="Responses a problem; their mean is pass@1")

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = f"mean over problems of the share of {self.samples} response(s) that are right"
        return tiny_conventions(self.name, self, "gsm", how, "a response without #### is wrong")

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(evaluation_rows("gsm", self.taken(), self.seed), self.samples), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        rows = evaluation_rows("gsm", self.taken(), self.seed)
        found = require_answers(self.name, self.asked(rows, self.samples), answers)
        values = right_shares(rows, found)
        unread = sum("####" not in response for answer in found for response in answer.responses)
        return Evaluated(
            scores=score_frame({"exact_match": values}),
            aggregates=[mean_aggregate("exact_match", list(values.values()), method="mean over problems")],
            samples=sample_table(rows, found, "exact_match", values),
            notes=[f"{unread} responses hold no #### and count as wrong"],
        )


class TinyHumanEval(TinySettings):
    """One-line programs, right if they give the reference's value on three lists; pass@k as in HumanEval."""

    name: ClassVar[str] = "tiny_human_eval"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    samples: int = Field(10, ge=1, le=1000, description="Programs a task (n)")
    k: int = Field(5, ge=1, le=1000, description="The larger k of pass@k; pass@1 is reported too")
    temperature: float = Field(1.0, ge=0.0, le=10.0, description="Of sampling")

    @model_validator(mode="after")
    def enough_samples(self) -> "TinyHumanEval":
        """Refuse a k that n samples say nothing about."""
        if self.k > self.samples:
            raise ValueError(f"tiny_human_eval: pass@{self.k} wants at least {self.k} samples a task")
        return self

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = f"mean over tasks of unbiased pass@k from {self.samples} programs at temperature {self.temperature:g}"
        return tiny_conventions(self.name, self, "code", how, "a program that does not run is wrong")

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        rows = evaluation_rows("code", self.taken(), self.seed)
        return unanswered(self.asked(rows, self.samples, self.temperature), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``. A k beyond the responses that are there is left out."""
        rows = evaluation_rows("code", self.taken(), self.seed)
        found = require_answers(self.name, self.asked(rows, self.samples, self.temperature), answers)
        shares = right_shares(rows, found)
        fewest = min(len(answer.responses) for answer in found)
        values = {f"pass_at_{k}": passes(found, shares, k) for k in sorted({1, self.k}) if k <= fewest}
        notes = [] if self.k <= fewest else [f"pass@{self.k} is left out: a task has only {fewest} responses"]
        return Evaluated(
            scores=score_frame(values),
            aggregates=[
                mean_aggregate(metric, list(own.values()), method=f"unbiased, {fewest} or more programs a task")
                for metric, own in values.items()
            ],
            samples=sample_table(rows, found, "share_right", shares),
            notes=notes,
        )


def right_shares(rows: Sequence[PromptRow], found: Sequence[Answer]) -> dict[str, float]:
    """The share of each prompt's responses that the verifier accepts, in [0, 1]."""
    return {row["prompt_id"]: share_right(row, answer) or 0.0 for row, answer in zip(rows, found, strict=True)}


def passes(found: Sequence[Answer], shares: Mapping[str, float], k: int) -> dict[str, float]:
    """Unbiased pass@k of each task, from all of its programs."""
    from tasks.evaluation.statistics.pass_at_k import pass_at_k

    drawn = {answer.prompt_id: len(answer.responses) for answer in found}
    return {name: pass_at_k(n, round(shares[name] * n), k) for name, n in drawn.items()}


def sample_table(
    rows: Sequence[PromptRow], found: Sequence[Answer], metric: str, values: Mapping[str, float]
) -> pd.DataFrame:
    """Prompt, first response, best answer and value."""
    return pd.DataFrame(
        {
            "prompt_id": [row["prompt_id"] for row in rows],
            "prompt": [prompt_text(row) for row in rows],
            "response": [answer.responses[0] for answer in found],
            "reference": [best_answer(row) for row in rows],
            metric: [values[row["prompt_id"]] for row in rows],
        }
    )
