"""The rows every data source is turned into before anything else sees them."""

from typing import Required, TypedDict


class Message(TypedDict):
    """One turn of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class PromptRow(TypedDict, total=False):
    """A conversation that ends with a user turn."""

    prompt_id: Required[str]
    """Digest of the prompt's text: the same prompt has the same id in every run."""
    prompt: Required[list[Message]]
    family: Required[str]
    """Task family in the tiny world (``tldr``, ``hh`` ...); the source's name for other data."""


class DemonstrationRow(PromptRow, total=False):
    """A prompt and one answer to imitate or to score."""

    response: Required[str]


class PairRow(PromptRow, total=False):
    """A prompt and two answers, ``chosen`` preferred to ``rejected``."""

    chosen: Required[str]
    rejected: Required[str]
    chosen_gold: float
    """Gold reward of ``chosen``, where the source knows one."""
    rejected_gold: float


def user_prompt(text: str) -> list[Message]:
    """Wrap ``text`` as a single user turn."""
    return [Message(role="user", content=text)]
