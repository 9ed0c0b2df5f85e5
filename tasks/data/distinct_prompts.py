"""Every prompt once, for methods that answer prompts and have no use for the same one again."""

from tasks.data.rows import DemonstrationRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef


def take_each_prompt_once(demonstrations: DatasetRef) -> DatasetRef:
    """The first row of every prompt, in their order.

    Real pairs may compare several responses to a prompt, and responses are sampled by seed and prompt: a prompt that
    comes twice would be answered the same twice.
    """
    rows = read_rows_of(demonstrations, DemonstrationRow)
    first = {row["prompt_id"]: row for row in reversed(rows)}
    return store_rows([row for row in rows if first[row["prompt_id"]] is row], demonstrations.name)
