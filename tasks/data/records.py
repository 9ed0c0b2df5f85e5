"""Whole files of records, where every row counts: benchmark questions, outputs, annotations."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.json_lines import read_json_lines
from tasks.engine.schema import UserError

Record = dict[str, Any]
READERS = (".jsonl", ".json", ".csv", ".parquet")


def read_records(path: Path) -> list[Record]:
    """Every row of a ``.jsonl``, ``.json`` (a list of objects), ``.csv`` (each also ``.gz``) or ``.parquet`` file.

    Values of a CSV are text, and an empty field is an empty text. Half a surrogate pair, as a cut-off response ends
    with, becomes U+FFFD.

    Raises:
        UserError: the file cannot be read, or a row is no record; names file and line.
    """
    ending = "".join(path.suffixes).removesuffix(".gz")
    kind = next((kind for kind in READERS if ending.endswith(kind)), "")
    if not kind:
        raise UserError(f"{path}: unknown kind of file; wanted is one of {', '.join(READERS)}, or one with .gz")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if kind == ".jsonl":
        return list(whole_lines(path))
    try:
        if kind == ".parquet":
            return list(pq.read_table(path).to_pylist())
        if kind == ".csv":
            return frame_records(pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig"))
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
            return listed_objects(path, json.load(stream))
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); fetch it again") from error


def whole_lines(path: Path) -> Iterator[Record]:
    """Rows of JSON lines. Raises UserError at the first that is none."""
    for row in read_json_lines(path):
        if row.problem:
            raise UserError(f"{path}:{row.line}: {row.problem} ({row.detail}); mend or remove the line")
        yield mended(dict(row.fields))


def frame_records(frame: pd.DataFrame) -> list[Record]:
    """Rows of a table."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def listed_objects(path: Path, content: Any) -> list[Record]:
    """A JSON file's list of objects. Raises UserError naming the first element that is none."""
    if not isinstance(content, list):
        raise UserError(f"{path}: holds a {type(content).__name__}; wanted is a list of objects")
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}: element {number} is a {type(row).__name__}; wanted is an object")
    return mended(content)


def mended(value: Any) -> Any:
    """``value`` with every text such that it can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [mended(item) for item in value]
    if isinstance(value, dict):
        return {mended(name): mended(item) for name, item in value.items()}
    return value
