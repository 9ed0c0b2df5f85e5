"""Which responses the steps of a run see: the filter of positive weight, priority sampling, and fewer steps."""

import math

import numpy as np
import numpy.typing as npt

from tasks.engine.schema import UserError
from tasks.policy.advantage_leftover.settings import LeftoverTraining, Sampling

Floats = npt.NDArray[np.float64]


def probabilities(weights: Floats, sampling: Sampling) -> Floats:
    """Chance [rows] of each response at every draw, from what it counts by, [rows] of either sign.

    ``priority``: q_i = w_i+ / sum w+ (A-LoL, algorithm 1). Raises UserError if no weight is positive where one has to
    be: nothing is left over to learn from.
    """
    if sampling == "uniform":
        return np.full(len(weights), 1.0 / len(weights))
    left = np.maximum(weights, 0.0)
    if not left.any():
        raise UserError(
            f"none of {len(weights)} responses is worth more than its prompt promised, so none is left to learn from; "
            "give better responses, or fit the value again"
        )
    chances = left if sampling == "priority" else (left > 0.0).astype(np.float64)
    return chances / chances.sum()


def share_drawn(chances: Floats) -> float:
    """Share of the responses that can be drawn at all, in (0, 1]."""
    return float((chances > 0.0).mean())


def steps_of_run(rows: int, drawn: float, training: LeftoverTraining) -> int:
    """Optimiser steps: the budget on all ``rows``, times the share ``drawn`` where ``scale_steps`` says so; at least 1.

    Raises UserError if there are fewer responses than a batch.
    """
    if rows < training.batch_size:
        raise UserError(f"{rows} responses cannot fill a batch of {training.batch_size}; lower batch_size or add data")
    steps = training.max_steps or rows // training.batch_size * training.epochs
    return max(1, math.ceil(steps * drawn)) if training.scale_steps else steps


def plan_draws(chances: Floats, steps: int, batch_size: int, seed: int) -> list[list[int]]:
    """``steps`` batches of rows drawn with replacement by their ``chances``; equal arguments, equal plan.

    The published code means to draw without duplicates inside a batch and does not; replacement is meant here.
    """
    rng = np.random.default_rng([seed, steps])
    return [list(map(int, batch)) for batch in rng.choice(len(chances), size=(steps, batch_size), p=chances)]
