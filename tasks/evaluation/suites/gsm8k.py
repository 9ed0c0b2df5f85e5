"""GSM8K (Cobbe et al. 2021, 2110.14168): grade-school word problems, scored by the final number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field, model_validator

from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.fields import read_rows
from tasks.evaluation.suites.gsm8k_extraction import (
    EXTRACTIONS,
    Extraction,
    matches,
    reference_of,
    without_calculator,
)
from tasks.evaluation.suites.gsm8k_prompts import (
    CHAIN_STOPS,
    EXEMPLARS,
    INSTRUCTION,
    QUESTION_STOPS,
    chain_prompt,
    chat_prompt,
    few_shot_prompt,
)
from tasks.evaluation.suites.locating import PublicFile, locate
from tasks.evaluation.suites.suite import Answer, Answers, Evaluated, Question, SuiteSettings

ORIGIN = "github.com/openai/grade-school-math, grade_school_math/data"
TEST = PublicFile(
    ("test.jsonl", "test-00000-of-00001.parquet"), "openai/gsm8k", "main/test-00000-of-00001.parquet", ORIGIN
)
TRAIN = PublicFile(
    ("train.jsonl", "train_first1000.jsonl", "train-00000-of-00001.parquet"),
    "openai/gsm8k",
    "main/train-00000-of-00001.parquet",
    ORIGIN,
)
HEADLINE: dict[str, Extraction] = {"few_shot": "strict", "chain_of_thought": "answer_is", "chat": "flexible"}
STRICT: dict[str, Extraction] = {"few_shot": "strict", "chain_of_thought": "answer_is", "chat": "strict"}
STOPS: dict[str, tuple[str, ...]] = {"few_shot": QUESTION_STOPS, "chain_of_thought": CHAIN_STOPS, "chat": ()}


@dataclass(frozen=True)
class Problem:
    """One word problem of the test set."""

    prompt_id: str
    question: str
    solution: str
    reference: str


class GSM8K(SuiteSettings):
    """The test set's 1319 problems under one of three protocols.

    ``few_shot`` is lm-evaluation-harness gsm8k v3, but its examples are the training file's first rows (the harness
    draws five at random with its own seed); ``chain_of_thought`` is its gsm8k_cot v3 with the eight exemplars of Wei
    et al.; ``chat`` asks the bare question and for a last line ``#### N``. The headline ``exact_match`` is what the
    style's protocol extracts: strict-match of the two harness tasks, the last number of a chat response.
    """

    name: ClassVar[str] = "gsm8k"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    style: Literal["few_shot", "chain_of_thought", "chat"] = Field("few_shot", description="How problems are asked")
    examples: int = Field(5, ge=1, le=100, description="Examples of few_shot: the first rows of the training file")
    calculator: Literal["keep", "strip"] = Field(
        "keep", description="The annotations <<a*b=c>> in the examples of few_shot; the same in all arms"
    )
    extraction: Literal["by_style", "official", "strict", "answer_is", "flexible", "answer_line"] = Field(
        "by_style", description="How exact_match takes the number out of a response"
    )
    samples: int = Field(1, ge=1, le=1000, description="Responses a problem; their mean is pass@1")
    temperature: float = Field(0.0, ge=0.0, le=10.0, description="Of sampling; the protocols' is 0")
    max_new_tokens: int = Field(
        256, ge=0, le=1_000_000, description="Longest response (harness: 256); 0: as the evaluation decodes"
    )

    @model_validator(mode="after")
    def samples_differ(self) -> "GSM8K":
        """Refuse several greedy samples, which would all be the same text."""
        if self.samples > 1 and self.temperature == 0.0:
            raise ValueError(f"gsm8k: {self.samples} samples at temperature 0 are one text; raise the temperature")
        return self

    def files(self) -> list[Path]:
        """See ``Suite``: the test set, and for few_shot the training set."""
        test = locate(self.name, self.data, TEST)
        return [test, locate(self.name, self.data, TRAIN)] if self.style == "few_shot" else [test]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        templates = {
            "few_shot": f"Question: Answer: {self.examples} {self.calculator}",
            "chain_of_thought": [list(shot) for shot in EXEMPLARS],
            "chat": INSTRUCTION,
        }
        return Conventions(
            suite=self.name,
            version=f"openai/grade-school-math 3101c7d; {self.style}, as lm-evaluation-harness gsm8k 3.0",
            split=f"test, first {self.limit}" if self.limit else "test",
            template_digest=digest_of(templates[self.style]),
            aggregation=f"mean over problems of the share of {self.samples} sample(s) at temperature "
            f"{self.temperature:g}, at most {self.max_new_tokens} tokens, extraction {self.headline}",
            tie_rule="a response without a number is wrong",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(self.problems()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        problems = self.problems()
        found = require_answers(self.name, self.asked(problems), answers)
        extractions: dict[str, Extraction] = {
            "exact_match": self.headline,
            "exact_match_strict": STRICT[self.style],
            "exact_match_flexible": "flexible",
        }
        values = {
            metric: {
                problem.prompt_id: share_right(extraction, answer, problem)
                for problem, answer in zip(problems, found, strict=True)
            }
            for metric, extraction in extractions.items()
        }
        return Evaluated(
            scores=score_frame(values),
            aggregates=[
                mean_aggregate(metric, list(values[metric].values()), method=method_of(extraction, found))
                for metric, extraction in extractions.items()
            ],
            samples=sample_table(problems, found, self.headline),
            notes=notes_of(problems, found, self.headline),
        )

    @property
    def headline(self) -> Extraction:
        """The extraction of exact_match."""
        return HEADLINE[self.style] if self.extraction == "by_style" else self.extraction

    def problems(self) -> list[Problem]:
        """The test set's problems, in order."""
        rows = read_rows(self.name, self.files()[0], ("question", "answer"))[: self.limit or None]
        return [
            Problem(f"gsm8k/{number}", row["question"], row["answer"], reference_of(row["answer"]))
            for number, row in enumerate(rows)
        ]

    def asked(self, problems: Sequence[Problem]) -> list[Question]:
        """Every problem under the style's prompt."""
        shots = self.shots() if self.style == "few_shot" else []
        return [
            Question(
                prompt_id=problem.prompt_id,
                prompt=self.prompt(problem.question, shots),
                stop=STOPS[self.style],
                temperature=self.temperature,
                max_new_tokens=self.max_new_tokens or None,
                samples=self.samples,
                aliases=(str(number), problem.question),
            )
            for number, problem in enumerate(problems)
        ]

    def prompt(self, question: str, shots: Sequence[tuple[str, str]]) -> list[Message] | str:
        """Raw text to continue, or the conversation of the chat style."""
        if self.style == "few_shot":
            return few_shot_prompt(shots, question)
        return chain_prompt(question) if self.style == "chain_of_thought" else user_prompt(chat_prompt(question))

    def shots(self) -> list[tuple[str, str]]:
        """The first examples of the training set. Raises UserError if it has too few."""
        path = self.files()[1]
        rows = read_rows(self.name, path, ("question", "answer"))
        if len(rows) < self.examples:
            raise UserError(f"gsm8k: {path} has {len(rows)} rows; examples wants {self.examples}")
        keep = self.calculator == "keep"
        return [
            (row["question"], row["answer"] if keep else without_calculator(row["answer"]))
            for row in rows[: self.examples]
        ]


def share_right(extraction: Extraction, answer: Answer, problem: Problem) -> float:
    """The share of a problem's samples that are right: an unbiased estimate of pass@1."""
    right = [matches(extraction, response, problem.reference) for response in answer.responses]
    return sum(right) / len(right)


def method_of(extraction: Extraction, found: Sequence[Answer]) -> str:
    """How the number is made."""
    most = max(len(answer.responses) for answer in found)
    return f"mean over problems ({extraction})" if most == 1 else f"pass@1 over up to {most} samples ({extraction})"


def sample_table(problems: Sequence[Problem], found: Sequence[Answer], extraction: Extraction) -> pd.DataFrame:
    """Question, first response, what was read from it, and the reference solution."""
    return pd.DataFrame(
        {
            "prompt_id": [problem.prompt_id for problem in problems],
            "question": [problem.question for problem in problems],
            "response": [answer.responses[0] for answer in found],
            "extracted": [EXTRACTIONS[extraction](answer.responses[0]) for answer in found],
            "reference": [problem.reference for problem in problems],
            "share_right": [share_right(extraction, answer, p) for p, answer in zip(problems, found, strict=True)],
            "solution": [problem.solution for problem in problems],
        }
    )


def notes_of(problems: Sequence[Problem], found: Sequence[Answer], extraction: Extraction) -> list[str]:
    """How many responses have no number, and how many were cut off."""
    responses = [response for answer in found for response in answer.responses]
    unread = sum(EXTRACTIONS[extraction](response) == "[invalid]" for response in responses)
    cut = sum(not finished for answer in found for finished in answer.finished)
    notes = [f"{unread} of {len(responses)} responses hold no answer in the form '{extraction}' and count as wrong"]
    return notes + ([f"{cut} responses were cut off at the limit of tokens"] if cut else [])
