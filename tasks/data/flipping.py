"""Label noise for pairs that come labelled: chosen and rejected change places."""

import numpy as np

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker


def flip_labels(pairs: DatasetRef, share: float, seed: int) -> DatasetRef:
    """``pairs`` with every label turned round with probability ``share``, rows in their order.

    Labels flipped at a smaller share are flipped at a larger one too (Coste et al. 2023, arXiv 2310.02743, compare
    none with 25 %). Raises UserError for a share outside [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise UserError(f"label noise {share} must be within 0 and 1")
    rows = read_rows_of(pairs, PairRow)
    flipped = np.random.default_rng(seed).random(len(rows)) < share
    current_tracker().metrics({"data/flipped_pairs": int(flipped.sum())}, step=0)
    return store_rows(
        [turned(row) if flip else row for row, flip in zip(rows, flipped, strict=True)], f"{pairs.name}-noisy"
    )


def turned(row: PairRow) -> PairRow:
    """``row`` with the two answers, and what is known of each, in each other's place."""
    changed = row.copy()
    changed["chosen"], changed["rejected"] = row["rejected"], row["chosen"]
    if "chosen_gold" in row and "rejected_gold" in row:
        changed["chosen_gold"], changed["rejected_gold"] = row["rejected_gold"], row["chosen_gold"]
    return changed
