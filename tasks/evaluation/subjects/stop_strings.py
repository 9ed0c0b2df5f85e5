"""Where a response ends that a protocol stops at given strings."""

from collections.abc import Sequence


def cut(text: str, stop: Sequence[str]) -> str:
    """``text`` up to the first of the strings ``stop``."""
    ends = [place for mark in stop if (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text
