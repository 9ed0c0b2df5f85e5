"""Twins of AlpacaEval and Arena-Hard in the tiny world: a policy's answers against a demonstrator's."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import prompt_text
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.judges.no_judge import require_judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import require_answers, unanswered
from tasks.evaluation.suites.arena_hard import length_of
from tasks.evaluation.suites.arena_hard_battles import Pair, both_orders
from tasks.evaluation.suites.arena_hard_report import Rules, report
from tasks.evaluation.suites.arena_hard_templates import template_of
from tasks.evaluation.suites.suite import Answers, Evaluated, Question
from tasks.evaluation.suites.tiny_prompts import (
    TinySettings,
    demonstrated,
    ended,
    evaluation_rows,
    hard_rows,
    tiny_conventions,
)

HARD_FAMILIES = ("tldr", "hh", "instruct")


class TinyAlpacaEval(TinySettings):
    """Styled instructions against a demonstrator: win rate and length-controlled win rate in its minimal form.

    The judge ``biased_gold`` likes every pleasantry, so that a policy wins by padding; the length control is what is
    left of such wins at equal length.
    """

    name: ClassVar[str] = "tiny_alpaca_eval"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "compares"
    usual_judge: ClassVar[Literal["none", "gold"]] = "gold"

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = "mean preference; length control of tanh(length difference) and an intercept"
        return tiny_conventions(self.name, self, "instruct", how, "a draw counts half")

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(self.rows()), answers)

    def rows(self) -> list[PromptRow]:
        """The prompts; their ids are their numbers, as AlpacaEval's are."""
        rows = evaluation_rows("instruct", self.taken(), self.seed)
        return [PromptRow(prompt_id=str(number), prompt=row["prompt"], family=row["family"])
                for number, row in enumerate(rows)]  # fmt: skip

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        from tasks.evaluation.suites import alpaca_eval_annotating as annotating
        from tasks.evaluation.suites.alpaca_eval_controls import read_controls
        from tasks.evaluation.suites.alpaca_eval_report import report as alpaca_report
        from tasks.evaluation.suites.alpaca_eval_template import WeightedPreference, is_swapped

        require_judge(judge, self.name)
        rows = self.rows()
        found = require_answers(self.name, self.asked(rows), answers)
        baselines = demonstrated(rows, self.seed)
        pairs = [
            annotating.Annotated(row["prompt_id"], number, prompt_text(row), baselines[row["prompt_id"]],
                                 answer.responses[0], finished=ended(answer)[0])
            for number, (row, answer) in enumerate(zip(rows, found, strict=True))
        ]  # fmt: skip
        swapped = [is_swapped(pair.instruction) for pair in pairs]
        comparisons = [
            replace(annotating.comparison(pair, turned), family="instruct")
            for pair, turned in zip(pairs, swapped, strict=True)
        ]
        verdicts = judge.compare(comparisons, WeightedPreference())
        judged = [
            replace(pair, preference=annotating.preference_for_model(verdict, turned))
            for pair, verdict, turned in zip(pairs, verdicts, swapped, strict=True)
        ]
        annotations = annotating.Annotations(judged, [len(pair.response) for pair in judged])
        return alpaca_report(annotations, read_controls("minimal", "instruction", ()), "minimal")


class TinyArenaHard(TinySettings):
    """Hard summaries, requests and instructions against a demonstrator, twice each, by v0.1's Bradley-Terry score."""

    name: ClassVar[str] = "tiny_arena_hard"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "compares"
    usual_judge: ClassVar[Literal["none", "gold"]] = "gold"
    prompts: int = Field(60, ge=2, le=150, description="Hard prompts of the evaluation split of each family")
    family: Literal["all", "tldr", "hh", "instruct"] = Field("all", description="Family of prompts")
    bootstrap_rounds: int = Field(100, ge=10, le=100_000, description="Resamples of the battles")

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        families = ", ".join(self.families())
        how = f"v0.1 Bradley-Terry score of two games a prompt, {self.bootstrap_rounds} bootstraps"
        return tiny_conventions(self.name, self, f"{families} (hard)", how, "a tie counts half")

    def families(self) -> tuple[str, ...]:
        """The families that are asked."""
        return HARD_FAMILIES if self.family == "all" else (self.family,)

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(self.rows()), answers)

    def rows(self) -> list[PromptRow]:
        """The prompts, family by family."""
        return [row for family in self.families() for row in hard_rows(family, self.taken(), self.seed)]

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        require_judge(judge, self.name)
        rows = self.rows()
        found = require_answers(self.name, self.asked(rows), answers)
        baselines = demonstrated(rows, self.seed)
        pairs = [
            Pair(row["prompt_id"], row["prompt"], answer.responses[0], baselines[row["prompt_id"]], length_of(answer),
                 family=row["family"], finished=ended(answer)[0])
            for row, answer in zip(rows, found, strict=True)
        ]  # fmt: skip
        verdicts = judge.compare(both_orders(pairs), template_of("v0.1"))
        return report(pairs, verdicts, Rules(self.name, "v0.1", "length", "equal", self.bootstrap_rounds, self.seed))
