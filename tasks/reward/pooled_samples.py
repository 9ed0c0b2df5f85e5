"""Responses of two policies to the same prompts as one set of samples: data of mixed origin."""

from itertools import groupby

from tasks.data.tables import read_rows_of
from tasks.engine.refs import Samples
from tasks.engine.schema import UserError
from tasks.models.generation import SampleRow, store_samples


def pool_samples(one: Samples, other: Samples) -> Samples:
    """All responses to every prompt, those of ``one`` first, numbered anew.

    Raises UserError if the two do not answer the same prompts.
    """
    left, right = (
        {
            prompt_id: list(rows)
            for prompt_id, rows in groupby(read_rows_of(ref, SampleRow), lambda row: row["prompt_id"])
        }
        for ref in (one, other)
    )
    if left.keys() != right.keys():
        raise UserError(
            f"samples of {len(left)} and {len(right)} prompts cannot be pooled, "
            f"{len(left.keys() ^ right.keys())} prompts are in one of them alone; sample both on the same prompts"
        )
    pooled = [
        SampleRow(**{**row, "sample": number})
        for prompt_id, rows in left.items()
        for number, row in enumerate([*rows, *right[prompt_id]])
    ]
    return store_samples(pooled)
