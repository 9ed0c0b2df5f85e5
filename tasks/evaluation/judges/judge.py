"""The one interface of everything that judges, and what a benchmark brings to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tasks.data.rows import Message


@dataclass(frozen=True)
class Comparison:
    """Two responses to one conversation, in the order in which the judge sees them."""

    comparison_id: str
    """Unique in a call, e.g. ``{prompt_id}/game1``."""
    prompt: Sequence[Message]
    first: str
    second: str
    family: str = ""
    """Family of the prompt, where a gold reward knows it."""
    reference: str = ""
    first_turns: Sequence[str] = ()
    second_turns: Sequence[str] = ()
    """Earlier responses of each side, where the conversation has several turns: ``prompt`` then holds the user's
    turns, and the i-th of these comes after the i-th of them (``conversation``)."""
    first_finished: bool = True
    second_finished: bool = True
    """Whether each response ended by itself; the gold reward takes its price off one that was cut off."""


@dataclass(frozen=True)
class Verdict:
    """What a judge said of a comparison."""

    comparison_id: str
    preference: float | None
    """P(second is better) in [0, 1], 0.5 for a tie; None where no verdict could be read."""
    strength: int = 1
    """How many battles it counts as, where a benchmark weighs strong verdicts."""
    text: str = ""
    """The judge's own words, for a person to read."""
    final: bool = False
    """Not to be asked for again, although it could not be read: the benchmark takes it for an answer."""


@dataclass(frozen=True)
class Grading:
    """One response to be graded alone."""

    grading_id: str
    prompt: Sequence[Message]
    response: str
    family: str = ""
    reference: str = ""
    earlier: Sequence[str] = ()
    """Earlier responses of a conversation of several turns, placed as those of a ``Comparison`` are."""
    finished: bool = True
    """Whether the response ended by itself."""


@dataclass(frozen=True)
class Grade:
    """What a judge gave a response."""

    grading_id: str
    value: float | None
    """In the template's scale; None where no grade could be read."""
    text: str = ""


def conversation(prompt: Sequence[Message], earlier: Sequence[str]) -> list[Message]:
    """``prompt`` with the ``earlier`` responses put in: one wherever a user turn follows a user turn, in order."""
    rest = iter(earlier)
    told: list[Message] = []
    for message in prompt:
        follows = told and told[-1]["role"] == message["role"] == "user"
        if follows and (response := next(rest, None)) is not None:
            told.append(Message(role="assistant", content=response))
        told.append(message)
    return told


@dataclass(frozen=True)
class ChatRequest:
    """One request to a chat model; equal requests have equal answers in the cache."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    top_logprobs: int = 0
    """Likeliest first tokens wanted with their log-probabilities; 0: none."""
    attempt: int = 0
    """Number of the attempt at one verdict: a further attempt is another request and not the cached first one."""


@dataclass(frozen=True)
class Completion:
    """A chat model's answer."""

    text: str
    first_token: Sequence[tuple[str, float]] = ()
    """Likeliest first tokens and their log-probabilities in nats, where they were asked for."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False


class PairTemplate(Protocol):
    """How a benchmark asks which response is better, and reads what it is told."""

    attempts: int
    """How often an unreadable answer is asked for again, the first time included."""

    def request(self, comparison: Comparison, attempt: int, said: str) -> ChatRequest:
        """The request; ``said`` is what the judge answered to the attempt before (some benchmarks continue it)."""
        ...

    def read(self, comparison: Comparison, completion: Completion) -> Verdict:
        """The verdict, with ``preference`` None where there is none to be read."""
        ...


class GradeTemplate(Protocol):
    """How a benchmark asks for a grade, and reads it."""

    attempts: int
    lowest: float
    highest: float

    def request(self, grading: Grading, attempt: int, said: str) -> ChatRequest:
        """See ``PairTemplate.request``."""
        ...

    def read(self, grading: Grading, completion: Completion) -> Grade:
        """The grade, with ``value`` None where there is none to be read."""
        ...


class Judge(Protocol):
    """Who compares and grades: the programmed gold reward, a reward model, a chat model behind a template.

    Both methods answer in the order they are asked, one verdict a comparison, and never drop one. Raises UserError if
    the judge stopped half-way; what it has said by then is kept, and the same call goes on from there.
    """

    @property
    def name(self) -> str:
        """Who judges: part of a score's identity."""
        ...

    @property
    def version(self) -> str:
        """Which weights, which reward, which endpoint's model: part of a score's identity."""
        ...

    @property
    def kind(self) -> Literal["none", "reward", "chat", "recorded"]:
        """How it comes to its verdicts."""
        ...

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        """One verdict a comparison; a judge with a reward ignores the template."""
        ...

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        """One grade a response; a judge with a reward squashes it into the template's scale."""
        ...
