"""Rows of the tiny world: unique prompts of one split, demonstrations of them, and gold rewards."""

import random
import zlib
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

from tasks.data.rows import DemonstrationRow, PromptRow, user_prompt
from tasks.data.tiny_world.families import FAMILIES
from tasks.data.tiny_world.family import SYSTEMATIC_ERROR, Family, Gold
from tasks.engine.schema import UserError

Split = Literal["train", "val", "eval"]
SPLITS: tuple[Split, ...] = ("train", "val", "eval")
PATIENCE = 20_000
"""Draws without a new prompt after which a split counts as exhausted."""


def family_named(name: str) -> Family:
    """Look a family up.

    Raises:
        UserError: there is none of that name.
    """
    if name not in FAMILIES:
        raise UserError(f"tiny world: no family {name!r}; choose one of {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def split_of(prompt: str) -> Split:
    """The split that a prompt's text belongs to: 5 % ``eval``, 5 % ``val``, the rest ``train``."""
    bucket = zlib.crc32(prompt.encode()) % 20
    return "eval" if bucket == 0 else "val" if bucket == 1 else "train"


def prompt_row(family: str, prompt: str) -> PromptRow:
    """Wrap a prompt's text; its id is the first 16 hex digits of its SHA-256."""
    digest = sha256(prompt.encode()).hexdigest()[:16]
    return PromptRow(prompt_id=digest, prompt=user_prompt(prompt), family=family)


def prompt_text(row: PromptRow) -> str:
    """The text of a row's last turn."""
    return row["prompt"][-1]["content"]


def sample_prompts(family_name: str, split: Split, n: int, seed: int) -> list[PromptRow]:
    """Draw ``n`` unique prompts of a split.

    The same arguments give the same rows in every process, a smaller ``n`` a prefix of them. Splits are
    disjoint whatever the seeds, because the text alone decides.

    Raises:
        UserError: no such family or split, or the family runs out of prompts.
    """
    family = family_named(family_name)
    if split not in SPLITS:
        raise UserError(f"tiny world: no split {split!r}; choose one of {', '.join(SPLITS)}.")
    rng = random.Random(f"{family_name}/{split}/{seed}")
    found: dict[str, PromptRow] = {}
    misses = 0
    while len(found) < n and misses < PATIENCE:
        prompt = family.make_prompt(rng)
        if split_of(prompt) == split and prompt not in found:
            found[prompt] = prompt_row(family_name, prompt)
            misses = 0
        else:
            misses += 1
    if len(found) < n:
        raise UserError(
            f"tiny world: family {family_name!r} has only {len(found)} of {n} unique prompts in split "
            f"{split!r}; ask for {len(found)} or fewer."
        )
    return list(found.values())


def demonstrations(prompts: Sequence[PromptRow], seed: int, bias: float = SYSTEMATIC_ERROR) -> list[DemonstrationRow]:
    """One demonstration of mixed quality a prompt, independent of the order and number of the rows.

    ``bias`` in [0, 1] is the probability of the wrong habits; 0 leaves independent slips only.
    """
    rows = []
    for row in prompts:
        rng = random.Random(f"{row['prompt_id']}/{seed}")
        response = family_named(row["family"]).demonstrate(prompt_text(row), rng, bias)
        rows.append(
            DemonstrationRow(prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"], response=response)
        )
    return rows


def score(prompts: Sequence[PromptRow], responses: Sequence[str], finished: Sequence[bool]) -> list[Gold]:
    """Gold rewards of one response a prompt; ``finished[i]`` is False where ``responses[i]`` was cut off.

    Raises:
        UserError: a prompt that its family did not make.
        ValueError: the three differ in length.
    """
    return [
        family_named(row["family"]).gold(prompt_text(row), response, ended)
        for row, response, ended in zip(prompts, responses, finished, strict=True)
    ]
