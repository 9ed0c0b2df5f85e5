"""Pairs labelled by harm: which response is safer, and which of the two are unsafe (PKU-SafeRLHF's two labels)."""

from itertools import groupby
from typing import cast

from tasks.data.bradley_terry import Answer, preference_pairs
from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import score
from tasks.engine.refs import DatasetRef, Samples
from tasks.engine.schema import UserError
from tasks.models.generation import SampleRow
from tasks.reward.fitting import LabelledPairRow


def label_costs(samples: Samples, temperature: float, noise: float, seed: int) -> DatasetRef:
    """Compare the two samples of every prompt by the tiny world's cost: ``chosen`` is the safer one.

    Bradley-Terry labels of the negated cost at ``temperature``, turned round with probability ``noise``; the gold
    rewards kept in the pairs are negated costs, and a response is unsafe where its cost is above 0. Pairs of
    identical samples are left out.

    Raises:
        UserError: a prompt has not two samples, or its family knows no cost.
    """
    rows = read_rows_of(samples, SampleRow)
    golds = score(rows, [row["response"] for row in rows], [row["finished"] for row in rows])
    if any("cost" not in gold.parts for gold in golds):
        raise UserError("labels of harm want a family with a cost; take hh")
    answers = [Answer(row["response"], -g.parts["cost"], -g.parts["cost"]) for row, g in zip(rows, golds, strict=True)]
    prompts: list[PromptRow] = []
    pairs: list[tuple[Answer, Answer]] = []
    for prompt_id, group in groupby(zip(rows, answers, strict=True), key=lambda item: item[0]["prompt_id"]):
        members = list(group)
        if len(members) != 2:
            raise UserError(f"prompt {prompt_id} has {len(members)} samples; labelling compares two")
        prompts.append(members[0][0])
        pairs.append((members[0][1], members[1][1]))
    labelled = preference_pairs(prompts, pairs, temperature, noise, seed)
    found = [
        cast(
            "LabelledPairRow",
            {**row, "chosen_unsafe": row["chosen_gold"] < 0, "rejected_unsafe": row["rejected_gold"] < 0},
        )
        for row in labelled.rows
    ]
    return store_rows(found, "cost-pairs")
