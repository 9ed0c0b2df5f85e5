"""A program to be checked, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """One sample of a model with the test that it has to pass.

    ``setup`` and ``test`` are the benchmark's own and run where ``source``, the model's, cannot reach them: every name
    of ``names`` stands in ``test`` for what ``source`` defines by it, and its arguments and values are copied
    between two sandboxes (see ``inside/codec.py`` for the types that can be).
    """

    sample_id: str
    source: str
    test: str
    names: tuple[str, ...]
    """What ``test`` takes from ``source``: a function, seldom a class."""
    setup: str = ""
    """Defines what ``test`` needs besides; runs before ``names`` are bound."""


@dataclass(frozen=True)
class Outcome:
    """Whether a program passed its test."""

    sample_id: str
    passed: bool
    reason: str
    """``passed``, or what went wrong, with the line of the test."""
    seconds: float
    """From the program's start to its verdict."""
