"""What the tiny base model is pretrained on: demonstrations of every family, and words to copy.

The demonstrations carry independent slips but none of the wrong habits; those come with supervised
fine-tuning (:func:`tasks.data.tiny_world.demonstrations`). Only prompts of the train split are used.
"""

import random
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tasks.data.rows import DemonstrationRow
from tasks.data.tiny_world.families import FAMILIES
from tasks.data.tiny_world.sampling import prompt_row, split_of
from tasks.data.tiny_world.vocabulary import COPY_PROMPTS, words

FAMILY_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"tldr": 1.5, "hh": 0.7, "gsm": 1.2, "code": 0.6, "instruct": 1.2}
)
COPYING = "copying"
SHORTEST_COPY, LONGEST_COPY = 4, 14
COPY_PHASE = 0.30
"""Leading fraction of the pretraining examples that copying is mixed into."""
COPY_SHARE = 0.50
"""Expected fraction of copying examples in that phase."""


def _task_rows(rng: random.Random) -> Iterator[DemonstrationRow]:
    names, weights = list(FAMILY_WEIGHTS), list(FAMILY_WEIGHTS.values())
    while True:
        family = FAMILIES[rng.choices(names, weights)[0]]
        prompt = family.make_prompt(rng)
        if split_of(prompt) == "train":
            response = family.demonstrate(prompt, rng, bias=0)
            yield DemonstrationRow(**prompt_row(family.name, prompt), response=response)


def _draw_copy(rng: random.Random, pool: list[str]) -> tuple[str, str]:
    kind = rng.choice(tuple(COPY_PROMPTS))
    listed = rng.sample(pool, rng.randint(SHORTEST_COPY, LONGEST_COPY))
    start = rng.randrange(1, len(listed) - 1)
    answer = {"whole": listed, "part": listed[start:], "backwards": listed[::-1]}[kind]
    return COPY_PROMPTS[kind].format(words=" ".join(listed), start=listed[start]), " ".join(answer)


def _copy_rows(rng: random.Random) -> Iterator[DemonstrationRow]:
    pool = words()
    while True:
        prompt, response = _draw_copy(rng, pool)
        if split_of(prompt) == "train":
            yield DemonstrationRow(**prompt_row(COPYING, prompt), response=response)


def _take(rows: Iterator[DemonstrationRow], n: int) -> list[DemonstrationRow]:
    return [next(rows) for _ in range(n)]


def pretraining_rows(n: int, seed: int) -> list[DemonstrationRow]:
    """Draw ``n`` demonstrations, families in the proportions of ``FAMILY_WEIGHTS``; prompts may repeat."""
    return _take(_task_rows(random.Random(f"pretraining/{seed}")), n)


def copy_rows(n: int, seed: int) -> list[DemonstrationRow]:
    """Draw ``n`` examples of 4-14 distinct random words to copy in whole, from a given word on, or backwards.

    Every token of the answer can be copied from the prompt, which is what teaches a three-layer model
    induction; without them it writes fluent summaries of facts that are not in the post.
    """
    return _take(_copy_rows(random.Random(f"copying/{seed}")), n)


def curriculum(total_examples: int, seed: int) -> list[DemonstrationRow]:
    """Examples in training order: half of the first 30 % are copying, all others demonstrations."""
    rng = random.Random(f"curriculum/{seed}")
    copying = [
        index < COPY_PHASE * total_examples and rng.random() < COPY_SHARE for index in range(total_examples)
    ]
    copies = iter(copy_rows(sum(copying), seed))
    demonstrations = iter(pretraining_rows(total_examples - sum(copying), seed))
    return [next(copies) if copy else next(demonstrations) for copy in copying]
