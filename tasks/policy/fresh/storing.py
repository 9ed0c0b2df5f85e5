"""Rounds and whole streams of compared rows on disk."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from tasks.engine.files import write_json
from tasks.engine.refs import PairStream
from tasks.engine.store import Store
from tasks.policy.fresh.row import ComparedRow, read_rows, write_rows

ROWS, PLAN = "rows.parquet", "plan.json"


class Stream(NamedTuple):
    """What a run on fresh pairs learned from."""

    rows: list[ComparedRow]
    plan: list[list[int]]
    """Places in ``rows`` of every optimiser step's batch."""


def write_round(rows: Sequence[ComparedRow], facts: dict[str, float], path: Path) -> None:
    """Store a round below ``path``; it counts once its facts are there too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(rows, path)
    write_json(path.with_suffix(".json"), facts)


def read_round(path: Path) -> tuple[list[ComparedRow], dict[str, float]] | None:
    """A stored round, to the last bit; None if it was never written whole."""
    facts = path.with_suffix(".json")
    return (read_rows(path), json.loads(facts.read_text())) if facts.exists() else None


def store_stream(rounds: Sequence[Path], plan: Sequence[list[int]]) -> PairStream:
    """Store what a run learned from: the rows of ``rounds`` one after another, never all of them in memory."""
    filled = [path for path in rounds if pq.read_metadata(path).num_rows]
    schema = pq.read_schema(filled[0])

    def fill(folder: Path) -> None:
        with pq.ParquetWriter(folder / ROWS, schema) as writer:
            for path in filled:
                writer.write_table(pq.read_table(path, schema=schema))
        write_json(folder / PLAN, list(plan))

    rows = sum(pq.read_metadata(path).num_rows for path in filled)
    return Store().write(PairStream, fill, rows=rows, steps=len(plan))


def read_stream(ref: PairStream) -> Stream:
    """The stream behind ``ref``."""
    folder = Store().open(ref)
    return Stream(read_rows(folder / ROWS), json.loads((folder / PLAN).read_text()))
