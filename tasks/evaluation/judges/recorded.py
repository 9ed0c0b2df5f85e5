"""Verdicts that another judge has given before: AlpacaEval's ``annotations.json`` and files like it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.data.records import Record
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, Grade, GradeTemplate, Grading, PairTemplate, Verdict

TEXTS = ("instruction", "output_1", "output_2")
FIRST_BETTER, DRAW, SECOND_BETTER = 1.0, 1.5, 2.0
OLD_DRAW = 0.0
"""What files of before 2024 say for a draw."""


@dataclass(frozen=True)
class RecordedComparison:
    """One row of a file of annotations."""

    instruction: str
    first: str
    """``output_1``: the baseline's response, where the file is one model's against a baseline."""
    second: str
    preference: float | None
    """P(second is better) in [0, 1]; None where the annotation is missing."""


class RecordedJudge:
    """Repeats recorded verdicts, in either order of the two responses.

    ``rows`` are those of the file, in its order, the ones without a preference included.
    """

    kind: Literal["none", "reward", "chat", "recorded"] = "recorded"

    def __init__(self, records: Sequence[Record], version: str = "") -> None:
        """``records``: rows with instruction, output_1, output_2 and preference in [1, 2], 1 for a sure win of
        output_1, 1.5 (in old files 0) for a draw, null where it is missing. ``version`` is by default the
        annotators that the rows name.

        Raises:
            UserError: a row lacks a column or has another preference, or two rows disagree on one comparison.
        """
        self.name = "recorded"
        self.rows = tuple(read_row(number, record) for number, record in enumerate(records, start=1))
        annotators = {str(record["annotator"]) for record in records if record.get("annotator")}
        self.version = version or ", ".join(sorted(annotators)) or "annotator not named"
        self._preferences = preferences_by_text(self.rows)

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        """See ``Judge``; the template does not count. Raises UserError for a comparison that is not recorded."""
        return [Verdict(one.comparison_id, self._preference(one)) for one in comparisons]

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        """Raises UserError: a file of comparisons holds no grades."""
        raise UserError("recorded annotations hold comparisons and no grades; choose a judge that grades")

    def _preference(self, comparison: Comparison) -> float | None:
        instruction = comparison.prompt[-1]["content"]
        for first, second, turned in (
            (comparison.first, comparison.second, False),
            (comparison.second, comparison.first, True),
        ):
            if (instruction, first, second) in self._preferences:
                found = self._preferences[instruction, first, second]
                return 1.0 - found if turned and found is not None else found
        raise UserError(
            f"comparison '{comparison.comparison_id}' is not among the {len(self.rows)} recorded ones (instruction "
            f"{instruction[:60]!r}); give the annotations of these very outputs, or a judge that can be asked"
        )


def preferences_by_text(rows: Sequence[RecordedComparison]) -> dict[tuple[str, str, str], float | None]:
    """Preference by instruction, first and second response. Raises UserError if two rows disagree."""
    found: dict[tuple[str, str, str], float | None] = {}
    for number, row in enumerate(rows, start=1):
        key = (row.instruction, row.first, row.second)
        if found.setdefault(key, row.preference) != row.preference:
            raise UserError(
                f"row {number} of the annotations has preference {row.preference}, an earlier row {found[key]} for the "
                f"same responses to {row.instruction[:60]!r}; keep one of them"
            )
    return found


def read_row(number: int, record: Record) -> RecordedComparison:
    """Row ``number`` (from 1) of a file. Raises UserError naming row and column if it cannot be read."""
    for name in (*TEXTS, "preference"):
        if name not in record:
            raise UserError(f"row {number} of the annotations lacks '{name}' (it has {', '.join(record)})")
    instruction, first, second = (record[name] for name in TEXTS)
    for name, text in zip(TEXTS, (instruction, first, second), strict=True):
        if not isinstance(text, str):
            raise UserError(f"row {number} of the annotations: '{name}' is {text!r:.60}; wanted is a text")
    return RecordedComparison(instruction, first, second, read_preference(number, record["preference"]))


def read_preference(number: int, value: Any) -> float | None:
    """P(second is better) of a recorded preference; None where it is missing. Raises UserError if it is neither."""
    if value is None or value == "":
        return None
    try:
        preference = float(value)
    except (TypeError, ValueError):
        preference = -1.0
    if math.isnan(preference):
        return None
    if preference == OLD_DRAW:
        preference = DRAW
    if not FIRST_BETTER <= preference <= SECOND_BETTER:
        raise UserError(
            f"row {number} of the annotations has preference {value!r:.60}; wanted is a number from 1 (output_1 "
            "better) to 2 (output_2 better), 0 for a draw, or null"
        )
    return preference - FIRST_BETTER
