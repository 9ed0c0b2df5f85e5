"""Rounds of fresh pairs as the training loop reads them: a plan whose batches come into being as it is gone through."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from tasks.data.rows import PromptRow
from tasks.engine.schema import UserError
from tasks.policy.fresh.drawing import Drawer
from tasks.policy.fresh.row import ComparedRow
from tasks.policy.fresh.storing import read_round, write_round


class Rounds(Sequence[list[int]]):
    """Batches of places in ``rows``, one an optimiser step; the first batch of a round draws the round.

    A round is written to ``folder`` before it is trained on, so a run that is killed goes on with the same pairs.
    """

    def __init__(self, drawer: Drawer, prompts: Sequence[PromptRow], steps: int, batch_size: int, folder: Path) -> None:
        """Raises UserError if a round wants more prompts than there are."""
        settings = drawer.settings
        self._drawer, self._prompts, self._steps, self._batch_size = drawer, prompts, steps, batch_size
        self._folder, self._since = folder, time.perf_counter()
        rounds = math.ceil(steps / settings.refresh_every_steps)
        self._drawn = plan_prompts(len(prompts), settings.prompts_a_round(batch_size), rounds, drawer.seed)
        self.rows: list[ComparedRow] = []
        self.facts: dict[str, float] = {}
        """What is worth logging of the newest round; ``train_seconds`` are those of the round before it."""
        self._firsts: list[int] = []
        self.batches: list[list[int]] = []
        """Of the rounds drawn so far."""

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
        while len(self.batches) <= step:
            self._enter(len(self._firsts))
        return self.batches[step]

    def _enter(self, number: int) -> None:
        path = self._folder / f"round-{number:06d}.parquet"
        found = read_round(path)
        trained = time.perf_counter() - self._since
        if found is None:
            drawn = self._drawer.draw([self._prompts[place] for place in self._drawn[number]], number)
            write_round(drawn.rows, drawn.facts, path)
            found = drawn.rows, drawn.facts
        rows, facts = found
        self.facts = facts | {"train_seconds": trained}
        self._since = time.perf_counter()
        self._firsts.append(len(self.rows))
        self.rows += rows
        replayed = self._drawer.settings.rounds_replayed
        first = self._firsts[0 if replayed < 0 else max(0, number - replayed)]
        self.batches += self._deal(list(range(first, len(self.rows))), number)

    def _deal(self, places: Sequence[int], number: int) -> list[list[int]]:
        """``places`` shuffled and dealt out equally over the round's steps, never more than a batch a step."""
        settings = self._drawer.settings
        steps = min(settings.refresh_every_steps, self._steps - len(self.batches))
        rng = np.random.default_rng([self._drawer.seed, number])
        passes = settings.passes if not settings.rounds_replayed else math.ceil(
            steps * self._batch_size / max(len(places), 1)
        )  # fmt: skip
        order = np.concatenate([rng.permutation(places) for _ in range(passes)])[: steps * self._batch_size]
        if len(order) < steps:
            raise UserError(
                f"round {number + 1}: {len(places)} pairs are left for {steps} steps (of {len(self._drawn[number])} "
                "prompts; other responses were alike or tied); sample more prompts or responses, or check the labels"
            )
        return [batch.tolist() for batch in np.array_split(order.astype(int), steps)]


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
