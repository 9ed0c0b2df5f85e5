"""The twin of MT-Bench in the tiny world: two turns in each of the five families, graded from 1 to 10."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tasks.data.tiny_world import FAMILIES, prompt_text
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.judges.no_judge import require_judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import unanswered
from tasks.evaluation.suites.mt_bench import lengths_of
from tasks.evaluation.suites.mt_bench_conversations import (
    Conversation,
    Resampling,
    grade_table,
    gradings_of,
    report,
    require_both_turns,
    turn_questions,
)
from tasks.evaluation.suites.mt_bench_templates import GradingTemplate
from tasks.evaluation.suites.suite import Answers, Evaluated, Question
from tasks.evaluation.suites.tiny_prompts import TinySettings, evaluation_rows, tiny_conventions

UNTRAINED = (
    "no policy of the tiny world is trained on two exchanges: turn 2 is a second prompt of the family after the first "
    "exchange, and tells how far the format carries, not how well the family is known"
)


class TinyMTBench(TinySettings):
    """Grades are the judge's own 1 to 10; the gold judge maps each family's reward into it."""

    name: ClassVar[str] = "tiny_mt_bench"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "grades"
    usual_judge: ClassVar[Literal["none", "gold"]] = "gold"
    prompts: int = Field(16, ge=2, le=500, description="Conversations of each family")
    bootstrap_rounds: int = Field(1000, ge=10, le=100_000, description="Resamples of the conversations")

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = "mean over both turns of all conversations"
        return tiny_conventions(self.name, self, f"each of {', '.join(FAMILIES)}, two turns", how, "")

    def conversations(self) -> list[Conversation]:
        """Two prompts of a family one after the other."""
        found = []
        for family in FAMILIES:
            rows = evaluation_rows(family, 2 * self.taken(), self.seed)
            for first, second in zip(rows[::2], rows[1::2], strict=True):
                turns = (prompt_text(first), prompt_text(second))
                found.append(Conversation(first["prompt_id"], family, turns, family))
        return found

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``: first turns, and once they are answered second turns."""
        asked = turn_questions(self.conversations(), answers, lambda one: None, self.max_new_tokens or None)
        return unanswered(asked, answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        require_judge(judge, self.name)
        conversations = self.conversations()
        require_both_turns(self.name, conversations, answers)
        grades = judge.grade(gradings_of(conversations, answers), GradingTemplate())
        table = grade_table(conversations, answers, grades)
        how = Resampling(self.bootstrap_rounds, self.seed)
        found = report(self.name, "mt_bench_grade", table, lengths_of(answers), how)
        found.notes.append(UNTRAINED)
        return found
