"""Do two training runs leave the same weights? The check of a tandem experiment."""

import pandas as pd

from tasks.data.tables import store_scores
from tasks.engine.refs import CheckpointSeries, Scores


def compare_weights(one: CheckpointSeries, other: CheckpointSeries) -> Scores:
    """Metric ``same_weights``: 1 for every checkpoint that is equal bit for bit, 0 for the others.

    A checkpoint's digest is that of its files, so equal digests are equal weights. Rows are numbered by checkpoint;
    where one run kept more of them, those count as different.
    """
    pairs = [
        (one.checkpoints[place : place + 1], other.checkpoints[place : place + 1])
        for place in range(max(len(one.checkpoints), len(other.checkpoints)))
    ]
    same = [float(bool(left) and [x.digest for x in left] == [x.digest for x in right]) for left, right in pairs]
    table = pd.DataFrame(
        {
            "prompt_id": [f"checkpoint-{place:04d}" for place in range(len(same))],
            "metric": "same_weights",
            "value": same,
            "point": "",
        }
    )
    return store_scores(table)
