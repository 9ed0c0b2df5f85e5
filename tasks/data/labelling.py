"""Preference pairs made of two samples a prompt, labelled by the tiny world's true reward."""

from itertools import groupby

from tasks.data.bradley_terry import Answer, preference_pairs
from tasks.data.rows import DemonstrationRow, PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import score
from tasks.data.world import TinyWorld
from tasks.engine.refs import DatasetRef, Samples
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker


class SampledAnswer(DemonstrationRow):
    """The part of a sample that labelling reads."""

    finished: bool


def label_preferences(samples: Samples, world: TinyWorld, seed: int) -> DatasetRef:
    """Compare the two samples of every prompt: Bradley-Terry labels of gold (or judge) rewards, with noise.

    Pairs of identical samples are left out and counted. Raises UserError if a prompt has not two samples.
    """
    rows = read_rows_of(samples, SampledAnswer)
    golds = score(rows, [row["response"] for row in rows], [row["finished"] for row in rows])
    answers = [
        Answer(row["response"], gold.reward if world.label_by == "gold" else gold.parts["judge"], gold.reward)
        for row, gold in zip(rows, golds, strict=True)
    ]
    prompts: list[PromptRow] = []
    pairs: list[tuple[Answer, Answer]] = []
    for prompt_id, group in groupby(zip(rows, answers, strict=True), key=lambda item: item[0]["prompt_id"]):
        members = list(group)
        if len(members) != 2:
            raise UserError(f"prompt {prompt_id} has {len(members)} samples; labelling compares two")
        prompts.append(members[0][0])
        pairs.append((members[0][1], members[1][1]))
    labelled = preference_pairs(prompts, pairs, world.label_temperature, world.label_noise, seed)
    right = sum(row["chosen_gold"] > row["rejected_gold"] for row in labelled.rows)
    unequal = sum(row["chosen_gold"] != row["rejected_gold"] for row in labelled.rows)
    current_tracker().metrics(
        {
            "data/pairs": len(labelled.rows),
            "data/identical_pairs": labelled.identical,
            "data/labels_agree_with_gold": right / max(unequal, 1),
        },
        step=0,
    )
    return store_rows(labelled.rows, f"{world.family}-pairs")
