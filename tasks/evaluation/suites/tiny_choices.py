"""Twins of TruthfulQA and RewardBench in the tiny world: candidates that a model scores instead of answering."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

import pandas as pd
from pydantic import Field

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import FAMILIES, prompt_text, score
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.reward_bench import combined, credit
from tasks.evaluation.suites.suite import Answers, Evaluated, Question
from tasks.evaluation.suites.tiny_prompts import SURPLUS, TinySettings, best_answer, evaluation_rows, tiny_conventions
from tasks.evaluation.suites.truthful_qa import chance_note, sample_table
from tasks.evaluation.suites.truthful_qa_items import Item, choice_metrics

Found = TypeVar("Found")
DRAWS = 12
"""Demonstrations from which wrong candidates are taken."""
MOST_TRUE, MOST_FALSE = 3, 4
"""Candidates of a question."""
SURE_HABIT, NO_HABIT = 1.0, 0.0


class TinyTruthfulQA(TinySettings):
    """Prompts on which the demonstrator's habit is wrong: is the right answer likelier than the imitated wrong ones?

    Candidates are whole answers: right ones, and the wrong ones that a demonstrator of firm habits gives most often.
    """

    name: ClassVar[str] = "tiny_truthful_qa"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    family: Literal["gsm", "instruct"] = Field("gsm", description="Family of prompts")

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = "mean over questions of summed log-probabilities compared, not normalised by length"
        return tiny_conventions(self.name, self, f"{self.family} with a wrong habit", how, "a tie is wrong")

    def items(self) -> list[tuple[PromptRow, Item]]:
        """The questions with their candidates. Raises UserError if there are too few."""
        rows = evaluation_rows(self.family, self.taken() * SURPLUS, self.seed)
        items = [(row, item_of(row, number)) for number, row in enumerate(rows)]
        found = [(row, item) for row, item in items if item is not None]
        return enough(self.name, found, self.taken())

    def asked_items(self, items: Sequence[tuple[PromptRow, Item]]) -> list[Question]:
        """Every prompt with all of its candidates."""
        return [Question(item.prompt_id, row["prompt"], candidates=item.candidates) for row, item in items]

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked_items(self.items()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        both = self.items()
        found = require_answers(self.name, self.asked_items(both), answers)
        items = [item for _, item in both]
        metrics = [choice_metrics(item, answer.scores) for item, answer in zip(items, found, strict=True)]
        values = {
            metric: {item.prompt_id: own[metric] for item, own in zip(items, metrics, strict=True)}
            for metric in ("mc1", "mc2", "mc3")
        }
        return Evaluated(
            scores=score_frame(values),
            aggregates=[mean_aggregate(name, list(own.values()), method="mean over questions")
                        for name, own in values.items()],
            samples=sample_table(items, found, metrics),
            notes=[chance_note(items)],
        )  # fmt: skip


class TinyRewardBench(TinySettings):
    """Held-out pairs of demonstrations that differ in gold reward: one section a family, and their mean."""

    name: ClassVar[str] = "tiny_reward_bench"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    by_reward: ClassVar[bool] = True

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = "mean over families of the accuracy on their pairs"
        return tiny_conventions(self.name, self, f"each of {', '.join(FAMILIES)}, pairs", how, "a tie is wrong")

    def pairs(self) -> list["GoldPair"]:
        """Family by family. Raises UserError if one has too few."""
        found = []
        for family in FAMILIES:
            wanted = self.taken()
            pairs = [pair_of(row, self.seed) for row in evaluation_rows(family, wanted + wanted // 2, self.seed)]
            found += enough(f"{self.name}, {family}", [pair for pair in pairs if pair is not None], wanted)
        return found

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(asked_pairs(self.pairs()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        pairs = self.pairs()
        found = require_answers(self.name, asked_pairs(pairs), answers)
        values = {pair.row["prompt_id"]: credit(answer.scores, 0.0) for pair, answer in zip(pairs, found, strict=True)}
        sections = [
            mean_aggregate("section_accuracy", [values[pair.row["prompt_id"]] for pair in pairs
                                                if pair.row["family"] == family], family, "mean over pairs")
            for family in FAMILIES
        ]  # fmt: skip
        whole = combined("reward_bench_score", [(section, 1 / len(sections)) for section in sections], "",
                         "mean of the families")  # fmt: skip
        samples = pair_samples(pairs, values)
        return Evaluated(score_frame({"pair_accuracy": values}), [whole, *sections], samples)


@dataclass(frozen=True)
class GoldPair:
    """Two answers to a prompt, the first of higher gold reward."""

    row: PromptRow
    chosen: str
    rejected: str


def asked_pairs(pairs: Sequence[GoldPair]) -> list[Question]:
    """Every pair as a question with its two candidates, the chosen one first."""
    return [
        Question(pair.row["prompt_id"], pair.row["prompt"], candidates=(pair.chosen, pair.rejected), by_reward=True)
        for pair in pairs
    ]


def pair_of(row: PromptRow, seed: int) -> GoldPair | None:
    """The first two different demonstrations with different gold rewards; None if ``DRAWS`` do not have any."""
    told = drawn(row, f"pair/{seed}", SURE_HABIT / 2)
    rewards = [gold.reward for gold in score([row] * len(told), told, [True] * len(told))]
    for response, reward in zip(told[1:], rewards[1:], strict=True):
        if abs(reward - rewards[0]) > 1e-9:
            chosen, rejected = (response, told[0]) if reward > rewards[0] else (told[0], response)
            return GoldPair(row, chosen, rejected)
    return None


def item_of(row: PromptRow, number: int) -> Item | None:
    """A question with its candidates, the best answer first; None where the habit gives a right answer."""
    verify = FAMILIES[row["family"]].verify
    usual = Counter(drawn(row, "habit", SURE_HABIT)).most_common()
    right = list(dict.fromkeys([best_answer(row), *(told for told in drawn(row, "free", NO_HABIT)
                                                    if verify(prompt_text(row), told))]))  # fmt: skip
    wrong = [told for told, _ in usual if not verify(prompt_text(row), told)]
    if not wrong or wrong[0] != usual[0][0]:
        return None
    true, false = right[:MOST_TRUE], wrong[:MOST_FALSE]
    places = tuple(range(len(true), len(true) + len(false)))
    return Item(
        prompt_id=row["prompt_id"],
        number=number,
        question=prompt_text(row),
        candidates=(*true, *false),
        best=0,
        false=places,
        all_true=tuple(range(len(true))),
        all_false=places,
        category=row["family"],
    )


def drawn(row: PromptRow, purpose: str, bias: float) -> list[str]:
    """``DRAWS`` demonstrations with habits of probability ``bias``, the same in every process."""
    rng = random.Random(f"{row['prompt_id']}/{purpose}")
    return [FAMILIES[row["family"]].demonstrate(prompt_text(row), rng, bias) for _ in range(DRAWS)]


def enough(name: str, found: list[Found], wanted: int) -> list[Found]:
    """The first ``wanted``. Raises UserError if there are fewer."""
    if len(found) < wanted:
        raise UserError(f"{name}: the tiny world has only {len(found)} of {wanted} prompts that fit; ask for fewer")
    return found[:wanted]


def pair_samples(pairs: Sequence[GoldPair], values: Mapping[str, float]) -> pd.DataFrame:
    """Prompt, both responses and whether they are in order."""
    return pd.DataFrame(
        {
            "prompt_id": [pair.row["prompt_id"] for pair in pairs],
            "category": [pair.row["family"] for pair in pairs],
            "prompt": [prompt_text(pair.row) for pair in pairs],
            "response": [pair.chosen for pair in pairs],
            "rejected": [pair.rejected for pair in pairs],
            "pair_accuracy": [values[pair.row["prompt_id"]] for pair in pairs],
        }
    )
