"""What AlpacaEval's length control was fitted on once and for all, and the model that is fitted to new rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.data.records import Record, read_records
from tasks.engine.schema import UserError
from tasks.evaluation.statistics.bootstrap import Resampled
from tasks.evaluation.statistics.length_control import (
    Coefficients,
    GamedBaselines,
    LengthControlled,
    Observed,
    Values,
    fit_full,
    fit_minimal,
    fit_without_gamed,
    fitted_interval,
    length_control,
    minimal_interval,
    standardized_length_difference,
)
from tasks.evaluation.suites.alpaca_eval_annotating import Annotated
from tasks.evaluation.suites.alpaca_eval_data import INSTRUCTIONS, SUITE, Join, LengthControl

NO_VALUES = np.zeros(0)
NO_ROWS = GamedBaselines(NO_VALUES, NO_VALUES, NO_VALUES)


@dataclass(frozen=True)
class Controls:
    """Which length control, and the published values that it wants."""

    form: LengthControl
    join: Join
    difficulty: Values
    """[805] by the instruction's number; unused by the minimal form."""
    gamed: GamedBaselines
    """Used by the full form."""


@dataclass(frozen=True)
class Controlled:
    """A fitted length control with its interval over prompts; none of the baseline itself."""

    found: LengthControlled
    interval: Resampled | None = None


def read_controls(form: LengthControl, join: Join, files: Sequence[Path]) -> Controls:
    """The values that ``form`` wants, from instruction_difficulty.csv and (full) df_gamed.csv, in this order."""
    if form == "minimal":
        return Controls(form, join, NO_VALUES, NO_ROWS)
    difficulty = read_difficulty(files[0])
    if form == "noreg":
        return Controls(form, join, difficulty, NO_ROWS)
    return Controls(form, join, difficulty, read_gamed(files[1], difficulty))


def control(rows: Sequence[Annotated], controls: Controls) -> Controlled:
    """Fit the model to ``rows`` (at least one with a preference) and predict each of them at equal length.

    Outputs that all are the baseline's own win half by definition.
    """
    preference = np.array([row.preference for row in rows])
    lengths = np.array([[len(row.baseline), len(row.response)] for row in rows], dtype=np.float64)
    if all(row.response == row.baseline for row in rows):
        return Controlled(length_control(Coefficients(0.0, 0.0, 0.0), np.zeros(len(rows))))
    if controls.form == "minimal":
        return control_minimally(preference, lengths)
    difference = standardized_length_difference(*lengths.T)
    observed = Observed(preference, difference, joined_difficulty(rows, controls))
    gamed = controls.gamed if controls.form == "full" else NO_ROWS
    fitted = fit_full(observed, gamed) if controls.form == "full" else fit_without_gamed(observed)
    return Controlled(length_control(fitted, observed.difficulty), fitted_interval(fitted, observed, gamed))


def control_minimally(preference: Values, lengths: Values) -> Controlled:
    """Length and intercept alone, with an interval over prompts; ``lengths`` [rows, 2]: baseline's, model's."""
    known = np.isfinite(preference)
    baseline, model = lengths[known].T
    fitted = fit_minimal(preference[known], standardized_length_difference(baseline, model))
    interval = minimal_interval(preference[known], baseline, model)
    return Controlled(length_control(fitted, np.zeros(len(preference))), interval)


def joined_difficulty(rows: Sequence[Annotated], controls: Controls) -> Values:
    """[rows] difficulty of each row's instruction; with the positional join that of the row's number in the file."""
    numbers = [row.number if controls.join == "positional" else int(row.prompt_id) for row in rows]
    return controls.difficulty[numbers]


def read_difficulty(path: Path) -> Values:
    """[805] instruction difficulties by index, which is the column ``index`` or else the first.

    Raises UserError if an index of 0..804 is missing or twice there, or a value is no number.
    """
    rows = read_records(path)
    found = {indexed(path, number, row): value(path, number, row, "instruction_difficulty")
             for number, row in enumerate(rows, start=1)}  # fmt: skip
    if sorted(found) != list(range(INSTRUCTIONS)) or len(rows) != INSTRUCTIONS:
        raise UserError(
            f"{SUITE}: {path} has {len(rows)} rows with {len(found)} different indices; wanted is one row for each of "
            f"0 to {INSTRUCTIONS - 1}; fetch it again"
        )
    return np.array([found[index] for index in range(INSTRUCTIONS)])


def read_gamed(path: Path, difficulty: Values) -> GamedBaselines:
    """Rows of the two gamed baselines: index, std_delta_len and preference in [0, 1], in the file's order.

    The difficulty is the row's own column, or else that of its index. Raises UserError naming a bad row.
    """
    rows = list(enumerate(read_records(path), start=1))
    numbers = [indexed(path, number, row) for number, row in rows]
    if not rows or not all(0 <= index < INSTRUCTIONS for index in numbers):
        raise UserError(f"{SUITE}: {path} wants rows with an index from 0 to {INSTRUCTIONS - 1}; fetch it again")
    preference = np.array([value(path, number, row, "preference") for number, row in rows])
    if preference.min() < 0.0 or preference.max() > 1.0:
        row = int(np.argmax((preference < 0.0) | (preference > 1.0))) + 1
        raise UserError(f"{SUITE}: {path} row {row}: preference {preference[row - 1]:g} is not in [0, 1]")
    own = "instruction_difficulty" in rows[0][1]
    return GamedBaselines(
        preference,
        np.array([value(path, number, row, "std_delta_len") for number, row in rows]),
        np.array([value(path, number, row, "instruction_difficulty") for number, row in rows])
        if own
        else difficulty[numbers],
    )


def indexed(path: Path, number: int, row: Record) -> int:
    """The instruction's index in row ``number``: column ``index``, or else the first."""
    return int(value(path, number, row, "index" if "index" in row else next(iter(row))))


def value(path: Path, number: int, row: Record, column: str) -> float:
    """The number in a column. Raises UserError naming file, row and column if there is none."""
    try:
        found = float(row[column])
    except (KeyError, TypeError, ValueError):
        found = float("nan")
    if not np.isfinite(found):
        raise UserError(f"{SUITE}: {path} row {number}: '{column}' is {row.get(column)!r:.60}; wanted is a number")
    return found
