"""What the command line prints: results on standard output, everything else on standard error."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

results = Console()
messages = Console(stderr=True)


def say_error(text: str) -> None:
    """One red line, however long."""
    messages.print(text, style="red", soft_wrap=True, markup=False, highlight=False)


def print_json(value: Any) -> None:
    """``value`` as strict JSON; numbers that JSON lacks become null."""
    results.print_json(json.dumps(finite(value), allow_nan=False))


def finite(value: Any) -> Any:
    """``value`` with None in place of NaN and infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str] = ()) -> Table:
    """A table with a row of headings; cells of the columns named in ``whole`` are never broken."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, leading=int(bool(whole)))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*row)
    return table


def number(value: Any) -> str:
    """Three significant digits; a dash for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
