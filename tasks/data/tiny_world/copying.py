"""Random words to copy, easy first: what teaches a small transformer induction.

Without these examples a three-layer model spends its whole pretraining budget on fluent summaries of facts
that are not in the post. Copying a list in whole is learned within 300 steps and is what makes the rest
learnable: pieces that begin anywhere, the list backwards, and triples between fillers as in a post.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from tasks.data.rows import DemonstrationRow
from tasks.data.tiny_world.sampling import prompt_row, split_of
from tasks.data.tiny_world.vocabulary import COPY_FRAMES, words

NAME = "copying"
SHORTEST, LONGEST = 4, 14
MARKS = (";", ":", ".")
"""Words that structure the examples, so that no list contains them."""
WHOLE_ONLY = 1 / 3
"""Leading fraction of the examples that copy their list in whole."""
KIND_WEIGHTS: Mapping[str, float] = {"whole": 0.20, "backwards": 0.15, "facts": 0.35, "pieces": 0.30}
"""Proportions after that."""

Example = tuple[str, str]
"""A prompt and its answer."""


def _list_of_words(rng: random.Random, pool: list[str]) -> list[str]:
    return rng.sample(pool, rng.randint(SHORTEST, LONGEST))


def _whole(rng: random.Random, pool: list[str]) -> Example:
    listed = " ".join(_list_of_words(rng, pool))
    return f"{COPY_FRAMES['whole']} {listed}", listed


def _backwards(rng: random.Random, pool: list[str]) -> Example:
    listed = _list_of_words(rng, pool)
    return f"{COPY_FRAMES['backwards']} {' '.join(listed)}", " ".join(reversed(listed))


def _pieces(rng: random.Random, pool: list[str]) -> Example:
    listed = _list_of_words(rng, pool)
    starts = [rng.randrange(len(listed) - 2) for _ in range(4)]
    pieces = [" ".join(listed[start : start + rng.randint(2, 5)]) for start in starts]
    return f"{COPY_FRAMES['pieces']} {' '.join(listed)}", " ; ".join(pieces)


def _facts(rng: random.Random, pool: list[str]) -> Example:
    first, second, *listed = rng.sample(pool, 2 + 3 * rng.randint(3, 5))
    triples = [listed[i : i + 3] for i in range(0, len(listed), 3)]
    kept = [triple for triple in triples if rng.random() < 0.6] or triples[:1]
    sentences = " ".join(f"{first} {a} {b} {second} {c} ." for a, b, c in triples)
    return f"{COPY_FRAMES['facts']} {sentences}", " ; ".join(" ".join(triple) for triple in kept)


_KINDS: Mapping[str, Callable[[random.Random, list[str]], Example]] = {
    "whole": _whole,
    "backwards": _backwards,
    "pieces": _pieces,
    "facts": _facts,
}


def _train_rows(rng: random.Random, weights: Mapping[str, float]) -> Iterator[DemonstrationRow]:
    pool = [word for word in words() if word not in MARKS]
    while True:
        kind = rng.choices(list(weights), list(weights.values()))[0]
        prompt, response = _KINDS[kind](rng, pool)
        if split_of(prompt) == "train":
            yield DemonstrationRow(**prompt_row(NAME, prompt), response=response)


def copy_rows(n: int, seed: int) -> list[DemonstrationRow]:
    """Draw ``n`` copying examples of distinct random words of the vocabulary, in training order.

    Lists have 4-14 words. The first third is copied in whole, the rest in the ways of ``KIND_WEIGHTS``; every
    word of an answer stands in its prompt, ``;`` between pieces apart.
    """
    rng = random.Random(f"{NAME}/{seed}")
    easy, mixed = _train_rows(rng, {"whole": 1.0}), _train_rows(rng, KIND_WEIGHTS)
    return [next(easy if index < WHOLE_ONLY * n else mixed) for index in range(n)]
