"""Rows as artifacts: Parquet in the store, lists of rows in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.rows import PromptRow
from tasks.engine.refs import DatasetRef, Ref, Scores
from tasks.engine.store import Store

Row = TypeVar("Row", bound=PromptRow)
ROWS = "rows.parquet"
SCORES = "scores.parquet"


def store_rows(rows: Sequence[PromptRow], name: str) -> DatasetRef:
    """Store rows of one shape under ``name`` (shown in MLflow)."""

    def fill(folder: Path) -> None:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), folder / ROWS)

    return Store().write(DatasetRef, fill, name=name, rows=len(rows))


def read_rows_of(ref: Ref, row_type: type[Row]) -> list[Row]:
    """The rows behind ``ref``; ``row_type`` is the shape that the writer gave them."""
    return cast("list[Row]", pq.read_table(Store().open(ref) / ROWS).to_pylist())


def store_scores(scores: pd.DataFrame) -> Scores:
    """Store a table of scores."""
    return Store().write(Scores, lambda folder: scores.to_parquet(folder / SCORES, index=False), rows=len(scores))


def read_scores(ref: Scores) -> pd.DataFrame:
    """The table behind ``ref``."""
    return pd.read_parquet(Store().open(ref) / SCORES)
