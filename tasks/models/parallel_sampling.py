"""Sampling on every core: one process a core, each with one torch thread and its share of the prompts.

Two threads in one process make a small model 1.1 to 1.3 times as fast, two processes nearly twice. Children are forked
from the process that holds the model, so that its weights are in memory once.
"""

import math
import multiprocessing
import os
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise

import torch

from tasks.engine.zygote import die_with_parent
from tasks.models.parts import causal_lm
from tasks.models.sampling import InProcessSampler, Sampled

LEAST_ROWS = 8
"""Fewer prompts a worker than this are not worth a process."""


@dataclass(frozen=True)
class ParallelSampler:
    """``sampler`` run in ``workers`` processes; the same responses, since each depends on its prompt and seed alone.

    On a GPU, with one worker or with few prompts it samples here.
    """

    sampler: InProcessSampler
    workers: int

    def sample(
        self,
        prompts: Sequence[list[int]],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> list[Sampled]:
        """Continue each prompt; see ``Sampler``. Raises what the sampler raises."""
        settings = (max_new_tokens, temperature, top_p, tuple(stop))
        workers = min(self.workers, len(prompts) // LEAST_ROWS)
        if workers < 2 or causal_lm(self.sampler.model).device.type != "cpu":
            return self.sampler.sample(prompts, seeds, *settings)
        rounds = math.ceil(len(prompts) / (workers * self.sampler.batch_rows))
        parts = shares(prompts, rounds * workers, max_new_tokens)
        found: dict[int, Sampled] = {}
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, fork, partial(_adopt, self.sampler, os.getpid())) as pool:
            jobs = [pool.submit(_sample_part, [(prompts[row], seeds[row]) for row in part], settings) for part in parts]
            for part, job in zip(parts, jobs, strict=True):
                found |= zip(part, job.result(), strict=True)
        return [found[row] for row in range(len(prompts))]


def shares(prompts: Sequence[list[int]], parts: int, max_new_tokens: int) -> list[list[int]]:
    """Rows in at most ``parts`` of like prompt lengths and nearly equal tokens; samples of a prompt stay together.

    Longest first, so that the last part to start is the shortest to run.
    """
    order = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), prompts[row], row))
    tokens = list(accumulate(len(prompts[row]) + max_new_tokens for row in order))
    before = [bisect_left(tokens, tokens[-1] * part / parts) for part in range(parts)] + [len(order)]
    return [order[start:end] for start, end in pairwise(before) if start < end]


_adopted: list[InProcessSampler] = []


def _adopt(sampler: InProcessSampler, parent: int) -> None:
    die_with_parent(parent)
    torch.set_num_threads(1)
    _adopted[:] = [sampler]


def _sample_part(
    rows: list[tuple[list[int], int]], settings: tuple[int, float, float, tuple[str, ...]]
) -> list[Sampled]:
    """One part in one batch: it may hold a few more rows than others, but not more tokens."""
    sampler = replace(_adopted[0], batch_rows=max(_adopted[0].batch_rows, len(rows)))
    return sampler.sample([prompt for prompt, _ in rows], [seed for _, seed in rows], *settings)
