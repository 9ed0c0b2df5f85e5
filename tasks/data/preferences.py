"""Real preference pairs: read, checked row by row, split by prompt, stored."""

from transformers import AutoTokenizer

from tasks.data.byte_pair import token_counter
from tasks.data.loading import load_pairs
from tasks.data.rows import DemonstrationRow, PairRow
from tasks.data.source import DataSource
from tasks.data.tables import store_rows
from tasks.engine.refs import Checkpoint, PreferenceData
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker


def prepare_preferences(source: DataSource, base: Checkpoint, evaluation_prompts: int) -> PreferenceData:
    """Read ``source`` and measure its prompts with the tokenizer of ``base``.

    Bad rows are tabled and counted. Raises UserError if more than the configured share is bad, or if no prompt
    is held out.
    """
    tokenizer = AutoTokenizer.from_pretrained(Store().open(base))
    loaded = load_pairs(source, token_counter(tokenizer))
    tracker = current_tracker()
    tracker.metrics(loaded.quality.metrics(), step=0)
    tracker.table("bad_rows.json", loaded.quality.table())
    if not loaded.held_out:
        raise UserError(f"{source.path}: no prompt is held out; raise data.held_out_share or give more rows")
    evaluated = first_of_each_prompt(loaded.held_out)[:evaluation_prompts]
    return PreferenceData(
        pairs=store_rows(loaded.train, "pairs"),
        held_out_pairs=store_rows(loaded.held_out, "held-out-pairs"),
        demonstrations=store_rows([chosen(row) for row in loaded.train], "demonstrations"),
        evaluation=store_rows([chosen(row) for row in evaluated], "evaluation"),
    )


def chosen(row: PairRow) -> DemonstrationRow:
    """The chosen response of a pair as a demonstration."""
    return DemonstrationRow(
        prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"], response=row["chosen"]
    )


def first_of_each_prompt(rows: list[PairRow]) -> list[PairRow]:
    """The first pair of every prompt, in order."""
    return list({row["prompt_id"]: row for row in reversed(rows)}.values())[::-1]
