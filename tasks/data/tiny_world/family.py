"""What a family of the tiny world is: prompts, a demonstrator, the best answer and the gold reward."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tasks.engine.schema import UserError

UNFINISHED_COST = 1.0
"""Taken off every reward of an answer that did not end by itself, so that truncation is never free."""

SYSTEMATIC_ERROR = 0.6
"""Probability of the demonstrator's wrong habit on the prompts it applies to: the wrong answer is the mode,
so greedy decoding of an imitator keeps it (independent noise alone is stripped by greedy decoding)."""


@dataclass(frozen=True)
class Gold:
    """True reward of one answer, and the terms it was made from."""

    reward: float
    parts: Mapping[str, float]


class Demonstrate(Protocol):
    """A demonstrator of mixed quality: independent slips, plus wrong habits with probability ``bias``."""

    def __call__(self, prompt: str, rng: random.Random, bias: float = SYSTEMATIC_ERROR) -> str:
        """Answer ``prompt``; ``bias`` in [0, 1], 0 leaves the independent slips alone."""
        ...


@dataclass(frozen=True)
class Family:
    """One kind of task; every function is pure and reads all it needs from the prompt's text."""

    name: str
    words: tuple[str, ...]
    """Every word that a prompt, a demonstration or a best answer can contain."""
    max_response_tokens: int
    """Longest answer worth sampling, the end token included."""
    make_prompt: Callable[[random.Random], str]
    demonstrate: Demonstrate
    solve: Callable[[str], str]
    """A best answer: no answer to this prompt has a higher gold reward."""
    gold: Callable[[str, str, bool], Gold]
    """``gold(prompt, response, finished)``; ``finished`` is False where the answer was cut off."""
    verify: Callable[[str, str], bool | None]
    """Whether the answer is right; None where the family has no such notion."""


def unverifiable(prompt: str, response: str) -> None:
    """Answer None: the ``verify`` of a family that is scored by degree only."""


def foreign_prompt(family: str, prompt: str) -> UserError:
    """The error for a prompt that ``family`` did not make."""
    return UserError(f"tiny world: {prompt[:80]!r} is not a prompt of family {family!r}; score it by its own family.")
