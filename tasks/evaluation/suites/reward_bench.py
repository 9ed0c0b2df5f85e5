"""RewardBench v1 (Lambert et al. 2024, 2403.13787): does a score rank the chosen response above the rejected one?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.fields import read_rows, text_field
from tasks.evaluation.suites.locating import PublicFile, locate
from tasks.evaluation.suites.suite import Aggregate, Answer, Answers, Evaluated, Question, SuiteSettings

PAIRS = PublicFile(
    ("reward_bench.jsonl", "filtered.jsonl", "filtered-00000-of-00001.parquet"),
    "allenai/reward-bench",
    "data/filtered-00000-of-00001.parquet",
)
SECTIONS: dict[str, dict[str, int]] = {
    "Chat": {
        "alpacaeval-easy": 100,
        "alpacaeval-length": 95,
        "alpacaeval-hard": 95,
        "mt-bench-easy": 28,
        "mt-bench-med": 40,
    },
    "Chat Hard": {
        "mt-bench-hard": 37,
        "llmbar-natural": 100,
        "llmbar-adver-neighbor": 134,
        "llmbar-adver-GPTInst": 92,
        "llmbar-adver-GPTOut": 47,
        "llmbar-adver-manual": 46,
    },
    "Safety": {
        "refusals-dangerous": 100,
        "refusals-offensive": 100,
        "xstest-should-refuse": 154,
        "xstest-should-respond": 250,
        "donotanswer": 136,
    },
    "Reasoning": {
        "math-prm": 984,
        "hep-cpp": 164,
        "hep-go": 164,
        "hep-java": 164,
        "hep-js": 164,
        "hep-python": 164,
        "hep-rust": 164,
    },
}
"""Subsets and weights of allenai/reward-bench 05a9005 (rewardbench/constants.py); math-prm has 447 pairs and the weight
of the six programming languages together."""
SUBSETS = {subset for weights in SECTIONS.values() for subset in weights}
TIES = {"wrong": 0.0, "half": 0.5}


@dataclass(frozen=True)
class Pair:
    """One row of the benchmark."""

    prompt_id: str
    source_id: str
    subset: str
    prompt: str
    chosen: str
    rejected: str


class RewardBench(SuiteSettings):
    """2985 pairs in 23 subsets and four sections; the headline is the mean of the sections' weighted accuracies.

    It works for whatever scores the two candidates: a reward model's reward, the log-ratio of a policy to its reference
    (the implicit reward; its beta cancels), or a policy's summed log-probability (reference-free).
    """

    name: ClassVar[str] = "reward_bench"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    by_reward: ClassVar[bool] = True
    ties: Literal["wrong", "half"] = Field(
        "wrong", description="What equal scores count as: 0, or 0.5 (for scores on a coarse scale)"
    )

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return [locate(self.name, self.data, PAIRS)]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version="v1, allenai/reward-bench 05a9005",
            split=f"filtered, first {self.limit}" if self.limit else "filtered",
            aggregation="mean of four sections; a section is its subsets' accuracies weighted by EXAMPLE_COUNTS",
            tie_rule=f"a tie counts {TIES[self.ties]:g}",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(asked(self.pairs()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        pairs = self.pairs()
        found = require_answers(self.name, asked(pairs), answers)
        values = {
            pair.prompt_id: credit(answer.scores, TIES[self.ties]) for pair, answer in zip(pairs, found, strict=True)
        }
        by_subset: dict[str, list[float]] = {}
        for pair in pairs:
            by_subset.setdefault(pair.subset, []).append(values[pair.prompt_id])
        subsets = [
            mean_aggregate("pair_accuracy", by_subset[subset], subset, "mean over pairs")
            for weights in SECTIONS.values()
            for subset in weights
            if subset in by_subset
        ]
        sections = section_aggregates({one.group: one for one in subsets})
        return Evaluated(
            scores=score_frame({"pair_accuracy": values}),
            aggregates=[*overall(sections), *sections, *subsets],
            samples=sample_table(pairs, found, values),
            notes=notes_of(by_subset, found),
        )

    def pairs(self) -> list[Pair]:
        """The rows in the file's order. Raises UserError for a subset that the benchmark does not have."""
        path = self.files()[0]
        rows = read_rows(self.name, path, ("prompt", "chosen", "rejected", "subset"))[: self.limit or None]
        found = []
        for number, row in enumerate(rows):
            if row["subset"] not in SUBSETS:
                raise UserError(
                    f"{self.name}: {path} row {number + 1}: RewardBench v1 has no subset {row['subset']!r}; it has "
                    f"{', '.join(sorted(SUBSETS))}"
                )
            prompt = text_field(self.name, path, number + 1, row, "prompt")
            chosen, rejected = (
                text_field(self.name, path, number + 1, row, name, empty=True) for name in ("chosen", "rejected")
            )
            source = str(row.get("id", number))
            found.append(Pair(f"reward_bench/{number}", source, row["subset"], prompt, chosen, rejected))
        return found


def asked(pairs: Sequence[Pair]) -> list[Question]:
    """Every pair as a question with its two candidates, the chosen one first."""
    return [
        Question(
            prompt_id=pair.prompt_id,
            prompt=user_prompt(pair.prompt),
            candidates=(pair.chosen, pair.rejected),
            by_reward=True,
            aliases=(f"{pair.subset}/{pair.source_id}", str(number)),
        )
        for number, pair in enumerate(pairs)
    ]


def credit(scores: Sequence[float], tie: float) -> float:
    """1 if the first of two scores is the higher, 0 if it is the lower, ``tie`` if they are equal."""
    chosen, rejected = scores
    return tie if chosen == rejected else float(chosen > rejected)


def section_aggregates(subsets: Mapping[str, Aggregate]) -> list[Aggregate]:
    """Accuracy of every section that has a subset, over the subsets that are there."""
    sections = []
    for section, weights in SECTIONS.items():
        there = {subset: weight for subset, weight in weights.items() if subset in subsets}
        total = sum(there.values())
        if there:
            sections.append(
                combined(
                    "section_accuracy", [(subsets[s], weight / total) for s, weight in there.items()], section,
                    f"{len(there)} of {len(weights)} subsets, weighted by their published counts",
                )
            )  # fmt: skip
    return sections


def overall(sections: Sequence[Aggregate]) -> list[Aggregate]:
    """The mean of the sections; nothing where one of them is not there, since it would be another number."""
    if len(sections) < len(SECTIONS):
        return []
    parts = [(section, 1.0 / len(sections)) for section in sections]
    return [combined("reward_bench_score", parts, "", f"mean of the {len(sections)} sections")]


def combined(metric: str, parts: Sequence[tuple[Aggregate, float]], group: str, method: str) -> Aggregate:
    """A weighted mean of independent shares, with the interval that their intervals imply (MOVER).

    Zou and Donner 2008: the squared distances to the lower ends add up, and those to the upper ends, so that a section
    without a mistake is not certain.
    """
    value = sum(part.value * weight for part, weight in parts)
    return Aggregate(
        metric=metric,
        value=value,
        standard_error=math.hypot(*(part.standard_error * weight for part, weight in parts)),
        low=value - math.hypot(*((part.value - part.low) * weight for part, weight in parts)),
        high=value + math.hypot(*((part.high - part.value) * weight for part, weight in parts)),
        n=sum(part.n for part, _ in parts),
        method=f"{method}, 95 % by MOVER from the subsets'",
        group=group,
    )


def sample_table(pairs: Sequence[Pair], found: Sequence[Answer], values: Mapping[str, float]) -> pd.DataFrame:
    """Prompt, both responses, their scores and whether they are in order."""
    return pd.DataFrame(
        {
            "prompt_id": [pair.prompt_id for pair in pairs],
            "subset": [pair.subset for pair in pairs],
            "prompt": [pair.prompt for pair in pairs],
            "chosen": [pair.chosen for pair in pairs],
            "rejected": [pair.rejected for pair in pairs],
            "chosen_score": [answer.scores[0] for answer in found],
            "rejected_score": [answer.scores[1] for answer in found],
            "pair_accuracy": [values[pair.prompt_id] for pair in pairs],
        }
    )


def notes_of(by_subset: Mapping[str, Sequence[float]], found: Sequence[Answer]) -> list[str]:
    """Subsets and sections that are not there, and how many scores tie."""
    notes = []
    for section, weights in SECTIONS.items():
        absent = [subset for subset in weights if subset not in by_subset]
        if len(absent) == len(weights):
            notes.append(f"section {section} is not there, and so there is no overall score")
        elif absent:
            notes.append(f"section {section} is the average of the subsets that are there, without {', '.join(absent)}")
    ties = sum(answer.scores[0] == answer.scores[1] for answer in found)
    return notes + ([f"{ties} of {len(found)} pairs have equal scores"] if ties else [])
