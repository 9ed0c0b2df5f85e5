"""A chat model as a judge, behind the templates that a benchmark brings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from tasks.evaluation.judges.chat import ChatModel
from tasks.evaluation.judges.judge import (
    ChatRequest,
    Comparison,
    Completion,
    Grade,
    GradeTemplate,
    Grading,
    PairTemplate,
    Verdict,
)

Asked = TypeVar("Asked", Comparison, Grading)
Said = TypeVar("Said", Verdict, Grade)


@dataclass(frozen=True)
class ChatJudge:
    """A ``Judge`` over any chat model."""

    model: ChatModel
    name: str
    version: str
    kind: Literal["chat"] = "chat"

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        """One verdict a comparison, ``preference`` None where no attempt gave one; see ``Judge``."""
        return ask_until_read(
            self.model, comparisons, template.attempts, template.request, template.read,
            lambda verdict: verdict.preference is not None or verdict.final,
        )  # fmt: skip

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        """One grade a response, ``value`` None where no attempt gave one; see ``Judge``."""
        return ask_until_read(
            self.model, gradings, template.attempts, template.request, template.read,
            lambda grade: grade.value is not None,
        )  # fmt: skip


def ask_until_read(
    model: ChatModel,
    asked: Sequence[Asked],
    attempts: int,
    request: Callable[[Asked, int, str], ChatRequest],
    read: Callable[[Asked, Completion], Said],
    is_read: Callable[[Said], bool],
) -> list[Said]:
    """What the model said of each, in order; what could not be read is asked again, all of it in one round.

    After the last attempt an answer stays as it was read. Raises UserError if a round was not answered in full.
    """
    answers: dict[int, Said] = {}
    said = [""] * len(asked)
    unread = list(range(len(asked)))
    for attempt in range(max(1, attempts)):
        requests = [replace(request(asked[place], attempt, said[place]), attempt=attempt) for place in unread]
        completions = model.complete(requests) if requests else []
        for place, completion in zip(unread, completions, strict=True):
            said[place] = completion.text
            answers[place] = read(asked[place], completion)
        unread = [place for place in unread if not is_read(answers[place])]
    return [answers[place] for place in range(len(asked))]
