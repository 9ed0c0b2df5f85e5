"""An offline corpus of known mixture: several responses a prompt, from good, ordinary and bad writers."""

import random
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.data.rows import DemonstrationRow, PromptRow
from tasks.data.tiny_world import FAMILIES, prompt_text, score
from tasks.engine.schema import Frozen, UserError

Quality = Literal["good", "ordinary", "bad"]


class CorpusRow(DemonstrationRow, total=False):
    """One response of an offline corpus."""

    number: int
    """Number of the response among those to its prompt, from 0."""
    quality: Quality
    """Who wrote it, where that is known."""


class QualityMixture(Frozen):
    """Shares of the writers of a corpus; what is neither good nor bad is ordinary.

    An ordinary writer is the family's demonstrator; a good one hands in the best of ``attempts`` of its answers by the
    true reward, a bad one the worst.
    """

    good: float = Field(0.6, ge=0.0, le=1.0, description="Share of responses by good writers (ours; noisy 0.15)")
    bad: float = Field(0.2, ge=0.0, le=1.0, description="Share of responses by bad writers (ours; noisy 0.6)")
    attempts: int = Field(4, ge=2, le=64, description="Answers that good and bad writers choose from (ours)")

    @model_validator(mode="after")
    def _shares_leave_room(self) -> Self:
        if self.good + self.bad > 1.0:
            raise ValueError(f"good {self.good:g} and bad {self.bad:g} are more than the whole; lower one of them")
        return self


def mix_qualities(prompts: list[PromptRow], mixture: QualityMixture, per_prompt: int, seed: int) -> list[CorpusRow]:
    """``per_prompt`` responses to every prompt, each from a writer of its own, in the prompts' order.

    Two mixtures under one seed differ only where a writer does: the attempts and the number that draws the writer are
    the same. Raises UserError for a prompt that is not of the tiny world.
    """
    rows: list[CorpusRow] = []
    for row in prompts:
        if row["family"] not in FAMILIES:
            raise UserError(f"prompt {row['prompt_id']}: writers of known quality exist in the tiny world alone")
        for number in range(per_prompt):
            rng = random.Random(f"{row['prompt_id']}/{number}/{seed}/writer")
            response, quality = written(row, mixture, rng)
            rows.append(
                CorpusRow(
                    prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"],
                    response=response, number=number, quality=quality,
                )
            )  # fmt: skip
    return rows


def written(row: PromptRow, mixture: QualityMixture, rng: random.Random) -> tuple[str, Quality]:
    """One response and its writer's quality."""
    place = rng.random()
    attempts = [FAMILIES[row["family"]].demonstrate(prompt_text(row), rng) for _ in range(mixture.attempts)]
    golds = score([row] * len(attempts), attempts, [True] * len(attempts))
    ranked = sorted(range(len(attempts)), key=lambda index: golds[index].reward)
    if place < mixture.good:
        return attempts[ranked[-1]], "good"
    if place >= 1.0 - mixture.bad:
        return attempts[ranked[0]], "bad"
    return attempts[0], "ordinary"
