"""Prompts off the training distribution: summaries of posts with twice the trivia."""

from typing import Literal

from tasks.data.rows import PromptRow
from tasks.data.tables import store_rows
from tasks.data.tiny_world import demonstrations, prompt_text, sample_prompts
from tasks.data.tiny_world.sampling import prompt_row
from tasks.data.tiny_world.tldr import CUES, NAME, Fact, read_post
from tasks.data.world import TinyWorld
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError


def draw_longer_posts(world: TinyWorld, split: Literal["val", "eval"]) -> DatasetRef:
    """As many posts as there are evaluation prompts, each with the trivia of two others added, and a demonstration.

    Training posts have one to three facts of trivia, these three to nine. They are made of posts of ``split`` alone.
    Raises UserError for another family than tldr.
    """
    if world.family != NAME:
        raise UserError(
            f"world.family {world.family}: longer prompts are posts of {NAME}; turn out_of_distribution off"
        )
    rows = sample_prompts(NAME, split, world.evaluation_prompts, seed=0)
    longer = [lengthened(row, [rows[place - 1], rows[place - 2]]) for place, row in enumerate(rows)]
    return store_rows(demonstrations(longer, seed=0), f"{NAME}-longer-posts")


def lengthened(row: PromptRow, others: list[PromptRow]) -> PromptRow:
    """``row`` with the trivia of ``others`` at the end of its post, facts that it already has left out."""
    known = read_post(prompt_text(row))
    added: dict[Fact, str] = {
        fact: kind for other in others for fact, kind in read_post(prompt_text(other)) if kind == "trivia"
    }
    facts = [*known, *((fact, kind) for fact, kind in added.items() if fact not in dict(known))]
    sentences = [f"{CUES[kind]} my {fact[0]} {fact[1]} the {fact[2]} ." for fact, kind in facts]
    return prompt_row(NAME, f"post : {' '.join(sentences)} tldr :")
