"""Drawing rows: groups, ranks with ties broken at random, and samples with given inclusion probabilities."""

import numpy as np


def positions_by_group(groups: np.ndarray) -> list[np.ndarray]:
    """Row indices [members] int64 of every group in ``groups`` [rows], by rising group, rows in order."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []


def ranked(rewards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions [N] from the largest of ``rewards`` [N] to the smallest; equal ones in random order."""
    return np.lexsort((rng.random(len(rewards)), -rewards))


def draw_by_inclusion(inclusion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions, each drawn at most once and with exactly its probability in ``inclusion`` [items], in [0, 1].

    Systematic sampling in random order (Madow 1949): the number drawn is the sum of the probabilities, or one of its
    two neighbours where that is no whole number.
    """
    certain = np.flatnonzero(inclusion >= 1.0)
    order = rng.permutation(np.flatnonzero(inclusion < 1.0))
    edges = np.round(np.cumsum(np.concatenate([[0.0], inclusion[order]])), 12)
    marks = np.ceil(edges - rng.random())
    return np.concatenate([certain, order[np.diff(marks) > 0]])
