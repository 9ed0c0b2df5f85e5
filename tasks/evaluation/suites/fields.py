"""Fields of a benchmark's rows, with errors that say in which file and row one is missing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.data.records import Record, read_records
from tasks.engine.schema import UserError


def read_rows(suite: str, path: Path, columns: Sequence[str]) -> list[Record]:
    """Every row of a file. Raises UserError if there is none, or at the first that lacks one of the ``columns``."""
    rows = read_records(path)
    if not rows:
        raise UserError(f"{suite}: {path} has no rows; wanted are rows with {', '.join(columns)}")
    for number, row in enumerate(rows, start=1):
        for column in columns:
            if row.get(column) is None:
                raise UserError(f"{suite}: {path} row {number} lacks '{column}' (it has {', '.join(map(str, row))})")
    return rows


def require_distinct(suite: str, path: Path, rows: Sequence[Record], column: str) -> None:
    """Raises UserError if two rows have the same value in the column that names them."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        if (seen := first.setdefault(str(row[column]), number)) != number:
            raise UserError(f"{suite}: {path} row {number} has the '{column}' of row {seen}, {row[column]!r:.60}; keep "
                            "one of them")  # fmt: skip


def text_field(suite: str, path: Path, number: int, row: Record, column: str, empty: bool = False) -> str:
    """The text in a column of row ``number`` (from 1), which may be blank if ``empty``. Raises UserError if it is
    none."""
    value: Any = row.get(column)
    if not isinstance(value, str) or not (empty or value.strip()):
        raise UserError(f"{suite}: {path} row {number}: '{column}' is {value!r:.80}; wanted is a text")
    return value


def first_column(suite: str, path: Path, rows: Sequence[Record], names: Sequence[str]) -> str:
    """The first of ``names`` that the rows have. Raises UserError if they have none of them."""
    for name in names:
        if name in rows[0]:
            return name
    raise UserError(f"{suite}: {path} has columns {', '.join(map(str, rows[0]))}; wanted is one of {', '.join(names)}")
