"""What the tiny base model is pretrained on: demonstrations of every family, and words to copy.

The demonstrations carry independent slips but none of the wrong habits; those come with supervised
fine-tuning (:func:`tasks.data.tiny_world.demonstrations`). Only prompts of the train split are used.
"""

import random
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from tasks.data.rows import DemonstrationRow
from tasks.data.tiny_world.copying import copy_rows
from tasks.data.tiny_world.families import FAMILIES
from tasks.data.tiny_world.sampling import prompt_row, split_of

FAMILY_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"tldr": 1.5, "hh": 0.7, "gsm": 1.2, "code": 0.6, "instruct": 1.2}
)
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


def pretraining_rows(n: int, seed: int) -> list[DemonstrationRow]:
    """Draw ``n`` demonstrations, families in the proportions of ``FAMILY_WEIGHTS``; prompts may repeat."""
    return list(islice(_task_rows(random.Random(f"pretraining/{seed}")), n))


def curriculum(total_examples: int, seed: int) -> list[DemonstrationRow]:
    """Examples in training order: half of the first 30 % are copying, all others demonstrations."""
    rng = random.Random(f"curriculum/{seed}")
    copying = [index < COPY_PHASE * total_examples and rng.random() < COPY_SHARE for index in range(total_examples)]
    copies = iter(copy_rows(sum(copying), seed))
    demonstrations = iter(pretraining_rows(total_examples - sum(copying), seed))
    return [next(copies) if copy else next(demonstrations) for copy in copying]
