"""How MT-Bench's judge is asked for a grade or a winner, and how its answer is read (lm-sys/FastChat 0e6d3e4)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.data.rows import Message, user_prompt
from tasks.evaluation.judges.judge import ChatRequest, Comparison, Completion, Grade, Grading, Verdict
from tasks.evaluation.suites.mt_bench_prompts import PROMPTS

References = Mapping[str, Sequence[str]]
"""Reference answers of both turns by question; questions without one are judged by the general prompt."""
MAX_TOKENS = 2048
LOWEST, HIGHEST = 1.0, 10.0
TIE = 0.1
"""Of two scores that differ by at most this much neither wins."""
NAMES: Mapping[tuple[str, bool], str] = {
    ("single", False): "single-v1",
    ("single", True): "single-math-v1",
    ("pair", False): "pair-v2",
    ("pair", True): "pair-math-v1",
}
RATINGS = (re.compile(r"\[\[(\d+\.?\d*)\]\]"), re.compile(r"\[(\d+\.?\d*)\]"))
TWO_SCORES = (re.compile(r"\[\[(\d+\.?\d*),\s?(\d+\.?\d*)\]\]"), re.compile(r"\[(\d+\.?\d*),\s?(\d+\.?\d*)\]"))
WINNERS: Mapping[str, float] = {"[[A]]": 0.0, "[[B]]": 1.0, "[[C]]": 0.5}
"""P(B better); of several that are said the one listed first here counts."""


@dataclass
class GradingTemplate:
    """Asks for a grade from 1 to 10; what it grades is named ``<question>/<turn>``."""

    references: References = field(default_factory=dict)
    attempts: int = 1
    lowest: float = LOWEST
    highest: float = HIGHEST

    def request(self, grading: Grading, attempt: int, said: str) -> ChatRequest:
        """See ``GradeTemplate``."""
        references = self.references.get(question_of(grading.grading_id), ())
        turns = user_turns(grading.prompt)
        values = {"question": turns[0], "answer": grading.response}
        values |= numbered("question", turns) | numbered("answer", [*grading.earlier, grading.response])
        return chat_request("single", len(turns), references, values)

    def read(self, grading: Grading, completion: Completion) -> Grade:
        """See ``GradeTemplate``."""
        return Grade(grading.grading_id, read_rating(completion.text), completion.text)


@dataclass
class WinnerTemplate:
    """Asks which of two assistants is better; what it compares is named ``<question>/<turn>...``."""

    references: References = field(default_factory=dict)
    attempts: int = 1

    def request(self, comparison: Comparison, attempt: int, said: str) -> ChatRequest:
        """See ``PairTemplate``."""
        references = self.references.get(question_of(comparison.comparison_id), ())
        turns = user_turns(comparison.prompt)
        values = {"question": turns[0], "answer_a": comparison.first, "answer_b": comparison.second}
        values |= numbered("question", turns)
        values |= numbered("answer_a", [*comparison.first_turns, comparison.first])
        values |= numbered("answer_b", [*comparison.second_turns, comparison.second])
        return chat_request("pair", len(turns), references, values)

    def read(self, comparison: Comparison, completion: Completion) -> Verdict:
        """See ``PairTemplate``."""
        return Verdict(comparison.comparison_id, read_winner(completion.text), text=completion.text)


def question_of(name: str) -> str:
    """The question that a grading or comparison belongs to."""
    return name.partition("/")[0]


def user_turns(prompt: Sequence[Message]) -> list[str]:
    """What the user said, turn by turn."""
    return [message["content"] for message in prompt if message["role"] == "user"]


def numbered(name: str, texts: Sequence[str]) -> dict[str, str]:
    """``{name_1: ..., name_2: ...}``."""
    return {f"{name}_{place}": text for place, text in enumerate(texts, start=1)}


def chat_request(
    kind: Literal["single", "pair"], turns: int, references: Sequence[str], values: Mapping[str, str]
) -> ChatRequest:
    """The published prompt for that many turns, with or without references, filled in; temperature 0."""
    name = NAMES[kind, bool(references)] + ("-multi-turn" if turns > 1 else "")
    prompt = PROMPTS[name]
    text = prompt.user.format(**values, **numbered("ref_answer", references))
    return ChatRequest([Message(role="system", content=prompt.system), *user_prompt(text)], MAX_TOKENS)


def read_rating(text: str) -> float | None:
    """The first number in double brackets, else the first in single ones; None outside 1 to 10 or without any."""
    for pattern in RATINGS:
        if found := pattern.search(text):
            rating = float(found[1])
            return rating if LOWEST <= rating <= HIGHEST else None
    return None


def read_winner(text: str) -> float | None:
    """P(B better) of a verdict [[A]], [[B]] or [[C]], or of two scores [[x,y]]; None without any of them."""
    for label, preference in WINNERS.items():
        if label in text:
            return preference
    for pattern in TWO_SCORES:
        if found := pattern.search(text):
            return preference_of_scores(float(found[1]), float(found[2]))
    return None


def preference_of_scores(first: float, second: float) -> float:
    """P(second better) of two scores: 0, 1, or 0.5 where they differ by at most 0.1."""
    if abs(first - second) <= TIE:
        return 0.5
    return float(second > first)
