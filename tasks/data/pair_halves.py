"""Preference pairs in two halves: one reward model to train on, another to judge by."""

from typing import Literal

from tasks.data.rows import PairRow
from tasks.data.splits import is_held_out
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError

Half = Literal["train", "test"]


def take_half(pairs: DatasetRef, half: Half) -> DatasetRef:
    """The pairs of one half of the prompts, by their digest: no prompt is in both, and the halves make the whole.

    Raises UserError if a half is empty.
    """
    rows = read_rows_of(pairs, PairRow)
    kept = [row for row in rows if is_held_out(f"{row['prompt_id']}/half", 0.5) == (half == "test")]
    if not kept:
        raise UserError(f"the half '{half}' of {len(rows)} pairs is empty; give more pairs")
    return store_rows(kept, f"{pairs.name}-{half}-half")
