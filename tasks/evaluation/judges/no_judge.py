"""The judge of suites that need none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, GradeTemplate, Grading, Judge, PairTemplate

WANTED = (
    "set judge.base_url and judge.model (any OpenAI-compatible endpoint), judge.model alone (folder or Hub id of a "
    "reward model or chat model), judge.kind=gold (prompts of the tiny world), or give recorded verdicts"
)


@dataclass(frozen=True)
class NoJudge:
    """Refuses to judge."""

    name: str = "none"
    version: str = ""
    kind: Literal["none"] = "none"

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> NoReturn:
        """Raises UserError that says what to set."""
        raise UserError(f"{len(comparisons)} comparisons need a judge, and there is none; {WANTED}")

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> NoReturn:
        """Raises UserError that says what to set."""
        raise UserError(f"{len(gradings)} responses need a judge to grade them, and there is none; {WANTED}")


def require_judge(judge: Judge, suite: str) -> None:
    """Raises UserError if ``suite``, which needs one, has no judge: to be called before anything is sampled."""
    if judge.kind == "none":
        raise UserError(f"{suite} needs a judge, and there is none; {WANTED}")
