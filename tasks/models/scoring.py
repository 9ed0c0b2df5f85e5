"""Scores of a data set's responses under one frozen model, computed once and kept as an artifact."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, LogProbs
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows

FILE = "log_probs.parquet"
SIDES = ("chosen", "rejected")


def score_pairs(model: Checkpoint, pairs: DatasetRef, config: ModelConfig) -> LogProbs:
    """log pi(chosen | prompt) and log pi(rejected | prompt) of every pair under a frozen ``model``."""
    current_tracker().dataset(pairs, "scoring")
    policy, tokenizer = open_frozen(model, config)
    rows = read_rows_of(pairs, PairRow)
    scores = score_rows(policy, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]]) for row in rows])
    return store_log_probs(scores)


def store_log_probs(scores: Sequence[Sequence[float]]) -> LogProbs:
    """Store scores [rows][chosen, rejected], in nats."""
    table = pd.DataFrame(scores, columns=list(SIDES))
    return Store().write(LogProbs, lambda folder: _write(table, folder), rows=len(table))


def read_log_probs(ref: LogProbs) -> list[list[float]]:
    """Scores in the order of the pairs' rows: [rows][chosen, rejected]."""
    rows: list[list[float]] = pd.read_parquet(Store().open(ref) / FILE)[list(SIDES)].to_numpy().tolist()
    return rows


def _write(table: pd.DataFrame, folder: Path) -> None:
    table.to_parquet(folder / FILE, index=False)
