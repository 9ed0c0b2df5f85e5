"""What the rows of a source hold, told from the columns of its first rows."""

from collections.abc import Sequence

from tasks.data.conversations import Fields
from tasks.data.hh_transcript import looks_like_transcript
from tasks.data.source import DataSource, Shape
from tasks.engine.schema import UserError

COMPARED: tuple[Shape, ...] = ("pairs", "transcripts", "ranked", "rated")
"""Shapes with two answers or more to a prompt."""

ANSWERED: tuple[Shape, ...] = (*COMPARED, "demonstrations")
"""Shapes with an answer to a prompt."""

COLUMN_KEYS: dict[Shape, tuple[str, ...]] = {
    "pairs": ("chosen_column", "rejected_column"),
    "transcripts": ("chosen_column", "rejected_column"),
    "ranked": ("prompt_column", "completions_column"),
    "rated": ("prompt_column", "completions_column"),
}


def shape_of(rows: Sequence[Fields], source: DataSource, wanted: tuple[Shape, ...]) -> Shape:
    """The configured shape, or the detected one, once it is known to serve and its columns to exist.

    Raises:
        UserError: naming the columns that exist and the keys to set.
    """
    shape = detect_shape(rows, source) if source.shape == "auto" else source.shape
    if shape not in wanted:
        raise UserError(
            f"{source.path}: its rows hold {shape} (columns {columns_of(rows)}), but this needs "
            f"{' or '.join(wanted)}; give other data, or set shape and the keys that end in _column"
        )
    for key in COLUMN_KEYS.get(shape, ()):
        column = getattr(source, key)
        if not any(column in row for row in rows):
            raise UserError(
                f"{source.path}: shape {shape} needs a column {column!r}, but there are only "
                f"{columns_of(rows)}; set {key}"
            )
    return shape


def detect_shape(rows: Sequence[Fields], source: DataSource) -> Shape:
    """The shape that the first rows' columns tell; UserError where they tell none."""
    names = {name for row in rows for name, value in row.items() if value is not None}
    if source.chosen_column in names and source.rejected_column in names:
        return "transcripts" if any(is_transcript_pair(row, source) for row in rows) else "pairs"
    if source.completions_column in names:
        return "rated" if any(has_scores(row, source) for row in rows) else "ranked"
    if source.messages_column in names or source.response_column in names:
        return "demonstrations"
    if source.prompt_column in names:
        return "prompts"
    raise UserError(
        f"{source.path}: cannot tell what its rows hold from the columns {columns_of(rows)}; set shape and "
        "the keys that end in _column"
    )


def is_transcript_pair(row: Fields, source: DataSource) -> bool:
    """HH-RLHF: no prompt of its own, and both sides are dialogues."""
    sides = (row.get(source.chosen_column), row.get(source.rejected_column))
    return row.get(source.prompt_column) is None and all(looks_like_transcript(side) for side in sides)


def has_scores(row: Fields, source: DataSource) -> bool:
    """Whether a row of completions comes with scores, beside or inside them."""
    completions = row.get(source.completions_column)
    inside = isinstance(completions, list) and any(
        isinstance(item, dict) and source.completion_score_key in item for item in completions
    )
    return inside or isinstance(row.get(source.scores_column), list)


def columns_of(rows: Sequence[Fields]) -> str:
    """Names of the columns that occur, in the rows' order."""
    return ", ".join(dict.fromkeys(name for row in rows for name in row)) or "(none)"
