"""Which rows of a data source are bad, why and where; and when that is too many."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tasks.data.located import LocatedRow
from tasks.data.rows import Message
from tasks.engine.schema import UserError

TokenCounter = Callable[[Sequence[Message]], int]
"""Tokens that a conversation takes in the policy's context."""

OVER_LONG_PROMPT = "over-long prompt"
OVER_LONG_RESPONSE = "over-long response"
KEY_TO_CHANGE = {OVER_LONG_PROMPT: "max_prompt_tokens", OVER_LONG_RESPONSE: "max_response_tokens"}


class RowProblem(Exception):
    """Why one row cannot be used: a reason that is counted, and a detail that is only shown."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class BadRow:
    """One unusable row; ``line`` is 1-based (row number where the file has no lines)."""

    file: str
    line: int
    reason: str
    detail: str = ""


@dataclass
class Quality:
    """Rows read from ``path`` and those of them that are bad."""

    path: str
    rows_read: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)

    def reject(self, row: LocatedRow, problem: RowProblem) -> None:
        """Set a row aside."""
        self.bad_rows.append(BadRow(row.file, row.line, problem.reason, problem.detail))

    @property
    def rows_kept(self) -> int:
        """Rows that gave at least one prompt, demonstration or pair."""
        return self.rows_read - len(self.bad_rows)

    @property
    def bad_share(self) -> float:
        """Bad rows over rows read, 0 to 1."""
        return len(self.bad_rows) / max(self.rows_read, 1)

    @property
    def counts(self) -> dict[str, int]:
        """Bad rows per reason, commonest first."""
        return dict(Counter(row.reason for row in self.bad_rows).most_common())

    def metrics(self) -> dict[str, float]:
        """Counts under MLflow's rules for metric names: ``data/rows_read``, ``data/bad/<reason>`` ..."""
        reasons = {f"data/bad/{slug(reason)}": float(count) for reason, count in self.counts.items()}
        totals = {
            "data/rows_read": float(self.rows_read),
            "data/rows_kept": float(self.rows_kept),
            "data/bad_rows": float(len(self.bad_rows)),
            "data/bad_share": self.bad_share,
        }
        return totals | reasons

    def table(self) -> pd.DataFrame:
        """One line per bad row: file, line, reason, detail."""
        columns = ["file", "line", "reason", "detail"]
        return pd.DataFrame([(row.file, row.line, row.reason, row.detail) for row in self.bad_rows], columns=columns)


def slug(reason: str) -> str:
    """``missing field 'chosen'`` -> ``missing_field_chosen``: what MLflow accepts in a metric's name."""
    return re.sub(r"\W+", "_", reason, flags=re.ASCII).strip("_")


def count_words(messages: Sequence[Message]) -> int:
    """Words between white space: a lower bound on tokens where no tokenizer exists yet."""
    return sum(len(message["content"].split()) for message in messages)


def check(quality: Quality, max_bad_share: float) -> None:
    """Stop a run whose data is too bad.

    Raises:
        UserError: no row at all, no row kept, or a share of bad rows above ``max_bad_share``.
    """
    if not quality.rows_read:
        raise UserError(f"{quality.path} holds no rows; give data.path a source with rows")
    if quality.rows_kept and quality.bad_share <= max_bad_share:
        return
    reason, count = next(iter(quality.counts.items()))
    first = next(row for row in quality.bad_rows if row.reason == reason)
    detail = f" ({first.detail})" if first.detail else ""
    raise UserError(
        f"{quality.path}: {len(quality.bad_rows)} of {quality.rows_read} rows are bad "
        f"({quality.bad_share:.1%}, max_bad_share {max_bad_share:.1%}); commonest: {reason}, {count} "
        f"times, first at {first.file}:{first.line}{detail}; {remedy(quality, reason)}"
    )


def remedy(quality: Quality, reason: str) -> str:
    """What to do about too many bad rows: the key to change, or the file to mend."""
    key = KEY_TO_CHANGE.get(reason)
    mend = f"raise {key} or shorten the rows" if key else "mend the rows or the column mapping"
    return f"{mend}, or raise max_bad_share" if quality.rows_kept else f"{mend}: no row is left"
