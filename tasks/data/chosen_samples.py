"""Sampled responses as demonstrations: what supervised fine-tuning on a policy's own best answers learns from."""

from tasks.data.rows import DemonstrationRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef, Samples


def samples_as_demonstrations(samples: Samples) -> DatasetRef:
    """One demonstration a sample, in the samples' order.

    A response that was cut off becomes one that ends there: supervised fine-tuning closes every response with EOS.
    """
    rows = read_rows_of(samples, DemonstrationRow)
    kept = [
        DemonstrationRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"], response=row["response"]
        )
        for row in rows
    ]
    return store_rows(kept, "chosen-samples")
