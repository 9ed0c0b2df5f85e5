"""Append-only files of tracking events: written by stages, read by the sender, never lost.

A writer killed half-way through a line leaves a partial line: the next event starts a line of its own, and
readers pass over what is not whole.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class NonFinite(ValueError):
    """A metric was NaN or infinite; MLflow would store another number and a table would be invalid JSON."""


class Spool:
    """The event file of one tracked run. Each ``append`` is one line, handed to the kernel at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one event. Raises NonFinite for a number that JSON does not have."""
        try:
            line = json.dumps(event, allow_nan=False)
        except ValueError as error:
            raise NonFinite(f"{_non_finite(event)} is not finite") from error
        os.write(self._descriptor, self._line_break() + line.encode() + b"\n")

    def close(self) -> None:
        """Flush to disk and release the file."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)

    def _line_break(self) -> bytes:
        size = os.fstat(self._descriptor).st_size
        return b"\n" if size and os.pread(self._descriptor, 1, size - 1) != b"\n" else b""


def read_events(path: Path, offset: int = 0) -> list[tuple[Event, int]]:
    """Whole events from byte ``offset`` on, each with the offset just behind it."""
    if not path.exists():
        return []
    with path.open("rb") as stream:
        stream.seek(offset)
        content = stream.read()
    events = []
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        offset += len(line)
        event = parse_event(line)
        if event is not None:
            events.append((event, offset))
    return events


def parse_event(line: bytes) -> Event | None:
    """The event in ``line``; None if its writer was killed half-way through."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None


def _non_finite(event: Mapping[str, Any]) -> str:
    values = event.get("values", event)
    bad = [f"{name}={value}" for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
    return ", ".join(bad) or "a value"
