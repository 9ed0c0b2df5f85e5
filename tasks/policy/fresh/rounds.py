"""Rounds of fresh pairs as the training loop reads them: a plan whose batches come into being as it is gone through."""

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from accelerate import PartialState

from tasks.data.rows import PromptRow
from tasks.engine.schema import UserError
from tasks.policy.fresh.drawing import Drawer, Round, joined
from tasks.policy.fresh.row import ComparedRow, tokens_of
from tasks.policy.fresh.storing import read_round, write_round

DRAWS_AT_MOST = 5
"""How often a round is drawn, where ties and equal responses leave less than a row a step."""


class Rounds(Sequence[list[int]]):
    """Batches of places of rows, one an optimiser step; the first batch of a round draws the round.

    A round is written to ``folder`` before it is trained on, so a run that is killed goes on with the same pairs. In
    memory are the rows that later steps can still ask for.
    """

    def __init__(self, drawer: Drawer, prompts: Sequence[PromptRow], steps: int, batch_size: int, folder: Path) -> None:
        """Raises UserError if a round wants more prompts than there are."""
        settings = drawer.settings
        self._drawer, self._prompts, self._steps, self._batch_size = drawer, prompts, steps, batch_size
        self._folder, self._trained_since = folder, math.nan
        rounds = math.ceil(steps / settings.refresh_every_steps)
        self._drawn = plan_prompts(len(prompts), settings.prompts_a_round(batch_size), rounds, drawer.seed)
        self.rows: dict[int, ComparedRow] = {}
        """Rows in use by their place among all that were drawn."""
        self.batches: list[list[int]] = []
        """Of the rounds drawn so far."""
        self.facts: dict[str, float] = {}
        """What is worth logging of the newest round; ``train_seconds`` are those of the round before it."""
        self.tokens = {"trained": 0, "sampled": 0}
        """Of all rounds so far; trained ones count a prompt once a response."""
        self._borders = [0]

    def __len__(self) -> int:
        return self._steps

    @overload
    def __getitem__(self, step: int) -> list[int]: ...
    @overload
    def __getitem__(self, step: slice) -> list[list[int]]: ...
    def __getitem__(self, step: int | slice) -> list[int] | list[list[int]]:
        if isinstance(step, slice):
            return [self[place] for place in range(*step.indices(self._steps))]
        if not 0 <= step < self._steps:
            raise IndexError(step)
        if step >= len(self.batches):
            trained = time.perf_counter() - self._trained_since
            while step >= len(self.batches):
                self._enter(step)
            self.facts |= {} if math.isnan(trained) else {"train_seconds": trained}
            self._trained_since = time.perf_counter()
        return self.batches[step]

    @property
    def paths(self) -> list[Path]:
        """Where the rows of the rounds so far are stored."""
        return [self._path(number) for number in range(len(self._borders) - 1)]

    def discard(self) -> None:
        """Remove what was stored, once every process is done with it: the stage has its result."""
        PartialState().wait_for_everyone()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"round-{number:06d}.parquet"

    def _enter(self, step: int) -> None:
        """Add the next round: as it was stored, or drawn if ``step`` is its first."""
        number, steps = len(self._borders) - 1, self._steps_left()
        replayed = self._drawer.settings.rounds_replayed
        if replayed >= 0:
            self._forget(self._borders[max(0, number - replayed)])
        with PartialState().main_process_first():
            found = read_round(self._path(number))
            if found is None:
                if step != len(self.batches):
                    raise UserError(
                        f"step {step + 1} cannot be resumed: round {number + 1} is gone from {self._folder}; "
                        "remove that folder and the checkpoints beside it to start again"
                    )
                count = self._drawer.settings.prompts_a_round(self._batch_size, steps)
                drawn = self._draw([self._prompts[place] for place in self._drawn[number][:count]], number, steps)
                found = drawn.rows, drawn.facts
                write_round(*found, self._path(number))
        rows, self.facts = found
        self.rows |= enumerate(rows, self._borders[-1])
        batches = self._deal(list(self.rows), number, steps)
        self._borders.append(self._borders[-1] + len(rows))
        self.batches += batches
        self.tokens["sampled"] += int(self.facts["sampled_tokens"])
        self.tokens["trained"] += sum(tokens_of(self.rows[place].group) for batch in batches for place in batch)

    def _draw(self, prompts: Sequence[PromptRow], number: int, steps: int) -> Round:
        """The round, from the same prompts again while too few rows are left of it to give every step one."""
        draws = [self._drawer.draw(prompts, number)]
        while len(draws) < DRAWS_AT_MOST and not self._suffice(sum(len(one.rows) for one in draws), steps):
            draws.append(self._drawer.draw(prompts, number, len(draws)))
        return joined(draws)

    def _suffice(self, fresh: int, steps: int) -> bool:
        """Whether ``fresh`` rows, with those that are replayed, give every process a row a step."""
        count = len(self.rows) + fresh
        return count * self._passes(count, steps) >= steps * PartialState().num_processes

    def _passes(self, count: int, steps: int) -> int:
        """How often ``count`` rows are gone through: replayed ones as often as fills the batches."""
        settings = self._drawer.settings
        return math.ceil(steps * self._batch_size / max(count, 1)) if settings.rounds_replayed else settings.passes

    def _steps_left(self) -> int:
        return min(self._drawer.settings.refresh_every_steps, self._steps - len(self.batches))

    def _forget(self, before: int) -> None:
        for place in [place for place in self.rows if place < before]:
            del self.rows[place]

    def _deal(self, places: Sequence[int], number: int, steps: int) -> list[list[int]]:
        """``places`` shuffled and dealt out equally over ``steps``, never more than a batch a step.

        Every process of a distributed run gets as many rows of a batch as the others.
        """
        rng = np.random.default_rng([self._drawer.seed, number])
        permuted = [rng.permutation(places) for _ in range(self._passes(len(places), steps))]
        order = np.concatenate(permuted)[: steps * self._batch_size]
        share = PartialState().num_processes
        shares = order[: len(order) // share * share].astype(int).reshape(-1, share)
        if len(shares) < steps:
            prompts = self._drawer.settings.prompts_a_round(self._batch_size, steps)
            raise UserError(
                f"round {number + 1}: {len(places)} pairs are left for {steps} steps (of {prompts} prompts, drawn "
                f"{DRAWS_AT_MOST} times; other responses were alike or tied); sample more prompts or responses, or "
                "check the labels"
            )
        return [batch.ravel().tolist() for batch in np.array_split(shares, steps)]


def plan_prompts(prompts: int, count: int, rounds: int, seed: int) -> list[list[int]]:
    """Places of ``count`` prompts for each round: every epoch shuffles all prompts, a rest is left out.

    Raises UserError if there are fewer prompts than a round wants.
    """
    if count > prompts:
        raise UserError(f"a round wants {count} prompts and there are {prompts}; add prompts or refresh more often")
    plan: list[list[int]] = []
    epoch = 0
    while len(plan) < rounds:
        order = np.random.default_rng([seed, epoch]).permutation(prompts).tolist()
        plan += [order[start : start + count] for start in range(0, prompts - count + 1, count)]
        epoch += 1
    return plan[:rounds]
