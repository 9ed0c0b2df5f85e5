"""Templates whose verdicts can be read from whatever a small random model says."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.data.rows import user_prompt
from tasks.evaluation.judges.judge import ChatRequest, Comparison, Completion, Grade, Grading, Verdict

UNREADABLE = "I cannot say."


@dataclass(frozen=True)
class Checksum:
    """Prefers by a checksum of the judge's words."""

    attempts: int = 3

    def request(self, comparison: Comparison, attempt: int, said: str) -> ChatRequest:
        text = f"{comparison.prompt[-1]['content']} first: {comparison.first} second: {comparison.second}"
        return ChatRequest(user_prompt(text), max_tokens=6)

    def read(self, comparison: Comparison, completion: Completion) -> Verdict:
        readable = completion.text and completion.text != UNREADABLE
        preference = sum(completion.text.encode()) % 101 / 100 if readable else None
        return Verdict(comparison.comparison_id, preference, text=completion.text)


@dataclass(frozen=True)
class ChecksumGrade:
    """Grades by a checksum of the judge's words."""

    attempts: int = 2
    lowest: float = 1.0
    highest: float = 10.0

    def request(self, grading: Grading, attempt: int, said: str) -> ChatRequest:
        return ChatRequest(user_prompt(f"{grading.response} {said}"), max_tokens=6)

    def read(self, grading: Grading, completion: Completion) -> Grade:
        return Grade(grading.grading_id, float(1 + sum(completion.text.encode()) % 10), completion.text)


def comparisons(count: int) -> Sequence[Comparison]:
    return [Comparison(f"p{i}", user_prompt(f"what is {i} ?"), f"it is {i}", f"maybe {i + 1}") for i in range(count)]
