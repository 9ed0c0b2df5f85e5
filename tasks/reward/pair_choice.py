"""Which two of a prompt's samples are compared to fit a reward model."""

from collections.abc import Sequence
from itertools import combinations, groupby
from typing import Literal

from nltk.metrics.distance import edit_distance

from tasks.data.tables import read_rows_of
from tasks.engine.refs import Samples
from tasks.engine.tracking import current_tracker
from tasks.models.generation import SampleRow, store_samples


def choose_pairs(samples: Samples, choice: Literal["max_edit_distance", "first_two"]) -> Samples:
    """Two samples of every prompt that has at least two, in the order of their numbers.

    ``max_edit_distance`` is PF-PPO's choice among five (arXiv 2409.06957), which makes a pair's responses
    differ in more than a detail.
    """
    rows = read_rows_of(samples, SampleRow)
    chosen: list[SampleRow] = []
    distances: list[int] = []
    for _, group in groupby(rows, key=lambda row: row["prompt_id"]):
        members = list(group)
        texts = [row["response"].split() for row in members]
        if len(members) < 2:
            continue
        first, second = most_different(texts) if choice == "max_edit_distance" else (0, 1)
        chosen += [members[first], members[second]]
        distances.append(edit_distance(texts[first], texts[second]))
    current_tracker().metrics({"data/edit_distance": sum(distances) / max(len(distances), 1)}, 0)
    return store_samples(chosen)


def most_different(responses: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Places i < j of the two responses (as words) with the largest Levenshtein distance; the first of equal ones.

    Raises ValueError for fewer than two responses.
    """
    if len(responses) < 2:
        raise ValueError(f"a pair wants two responses, there are {len(responses)}")
    return max(
        combinations(range(len(responses)), 2), key=lambda pair: edit_distance(responses[pair[0]], responses[pair[1]])
    )
