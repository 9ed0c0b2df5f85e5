"""A part of a data set, for methods that work in rounds or on fewer prompts."""

from tasks.data.rows import DemonstrationRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef


def take_portion(dataset: DatasetRef, first: int, count: int) -> DatasetRef:
    """``count`` rows from row ``first`` on, beginning again after the last; each row at most once."""
    rows = read_rows_of(dataset, DemonstrationRow)
    taken = [rows[(first + place) % len(rows)] for place in range(min(count, len(rows)))]
    return store_rows(taken, dataset.name)
