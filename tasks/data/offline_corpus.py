"""Offline corpora of single responses: made in the tiny world, or the sides of real preference pairs."""

from typing import Literal

from tasks.data.mixed_quality import CorpusRow, QualityMixture, mix_qualities
from tasks.data.rows import PairRow, PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError

Side = Literal["chosen", "rejected"]


def write_corpus(prompts: DatasetRef, mixture: QualityMixture, per_prompt: int, seed: int) -> DatasetRef:
    """``per_prompt`` responses of mixed quality to every prompt."""
    rows = mix_qualities(read_rows_of(prompts, PromptRow), mixture, per_prompt, seed)
    return store_rows(rows, "mixed-quality-corpus")


def take_side(pairs: DatasetRef, side: Side) -> DatasetRef:
    """One side of every pair as a corpus of single responses: ``chosen`` is clean, ``rejected`` alone is noisy.

    Responses that end in ':' are left out, as A-LoL's code does with answers that break off. Raises UserError if that
    leaves none.
    """
    rows = read_rows_of(pairs, PairRow)
    kept = [
        CorpusRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"], response=row[side], number=0,
            quality="good" if side == "chosen" else "bad",
        )
        for row in rows
        if not row[side].rstrip().endswith(":")
    ]  # fmt: skip
    if not kept:
        raise UserError(f"every {side} response ends in ':', as answers that break off do; give whole answers")
    return store_rows(kept, f"{side}-responses")


def take_validation(held_out: DatasetRef, evaluation: DatasetRef) -> DatasetRef:
    """The held-out prompts that no arm is evaluated on, each once.

    Raises UserError if there are none: a policy's value must not be fitted on the prompts of the verdicts.
    """
    evaluated = {row["prompt_id"] for row in read_rows_of(evaluation, PromptRow)}
    rows = {
        row["prompt_id"]: PromptRow(prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"])
        for row in read_rows_of(held_out, PromptRow)
        if row["prompt_id"] not in evaluated
    }
    if not rows:
        raise UserError(
            f"all {len(evaluated)} held-out prompts are evaluated on and none is left for validation; lower "
            "world.evaluation_prompts or raise data.held_out_share"
        )
    return store_rows(list(rows.values()), "validation-prompts")
