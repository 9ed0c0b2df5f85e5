"""How often, from whom and by what rule pairs are refreshed: the dial between offline and online."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.models.decoding import Decoding
from tasks.policy.fresh.choices import BestWorst, FirstTwo, PairChoice
from tasks.policy.fresh.labellers import Labeller, RewardLabels

__all__ = ["BestWorst", "FirstTwo", "FreshPairs", "Labeller", "PairChoice", "Replayed", "RewardLabels"]


class FreshPairs(Frozen):
    """Where the pairs of each round come from.

    A round draws prompts, samples responses to each, has them compared, and takes ``refresh_every_steps`` optimiser
    steps on the pairs. 1 is online; a few hundred is iterative; as many as the whole run, with ``behaviour`` start,
    is offline. Comparisons of equal texts and ties are left out; a round that they leave with less than a row a step is
    drawn again.
    """

    refresh_every_steps: int = Field(
        1, ge=1, le=10_000_000, description="Optimiser steps between two draws: 1 online, hundreds iterative"
    )
    passes: int = Field(1, ge=1, le=100, description="Times that a round's pairs are gone through in its steps")
    per_prompt: int = Field(2, ge=2, le=256, description="Responses sampled a prompt (k)")
    behaviour: Literal["current", "start", "mixed"] = Field(
        "current",
        description="Who samples: the policy as it is, the one training started from, or half of a prompt's "
        "responses each",
    )
    temperatures: list[Annotated[float, Field(ge=0.01, le=10.0)]] = Field(
        [1.0],
        min_length=1,
        max_length=16,
        description="Sampling temperatures; a prompt's responses are shared out among them (RLHF Workflow: 1 and 0.7)",
    )
    decoding: Decoding = Field(
        Decoding(max_new_tokens=32), description="Longest response and batch of sampling; temperatures are above"
    )
    choice: PairChoice = Field(FirstTwo(), description="Which of a prompt's responses are compared")
    rounds_replayed: int = Field(
        0, ge=-1, le=1_000_000, description="Earlier rounds whose pairs stay in use; -1: all (VPO)"
    )
    reference: Literal["fixed", "moving"] = Field(
        "fixed", description="The reference policy: the given one, or the policy as each round begins"
    )
    calibration: bool = Field(
        False, description="Sample one response a prompt from the reference policy as well (VPO, XPO)"
    )

    def prompts_a_round(self, batch_size: int, steps: int | None = None) -> int:
        """Prompts that fill the batches of a round (of ``steps`` if it is shorter) where no comparison is left out."""
        rows = self.choice.rows(self.per_prompt) * self.passes
        return math.ceil(batch_size * (self.refresh_every_steps if steps is None else steps) / rows)

    @model_validator(mode="after")
    def _responses_can_be_shared_out(self) -> Self:
        shares = len(self.temperatures) * (2 if self.behaviour == "mixed" else 1)
        if self.per_prompt % shares:
            raise ValueError(f"per_prompt {self.per_prompt} cannot be shared out equally in {shares} parts")
        self.choice.require(self.per_prompt)
        return self

    @model_validator(mode="after")
    def _temperature_stands_in_one_place(self) -> Self:
        if self.decoding.temperature != 1.0:
            raise ValueError(
                f"decoding.temperature {self.decoding.temperature:g} has no say here; put it in temperatures"
            )
        return self


class Replayed(Frozen):
    """In what order a recorded stream of pairs is gone through (online-offline gap, 2405.08448, E3 to E5)."""

    order: Literal["recorded", "blocks", "uniform"] = Field(
        "recorded", description="As recorded, shuffled within blocks of batches, or all shuffled"
    )
    block_batches: int = Field(4, ge=1, le=10_000_000, description="Batches of a block (paper: 4 and 500)")
    passes: int = Field(1, ge=1, le=1000, description="Times that the stream is gone through")
