"""A row that knows where it was read."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LocatedRow:
    """Fields of one row; ``line`` is 1-based (row number where the file has no lines).

    ``problem`` says why the row could not be read, and is empty where it could.
    """

    file: str
    line: int
    fields: dict[str, Any]
    problem: str = ""
    detail: str = ""
