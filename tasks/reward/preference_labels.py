"""Pairs labelled by a reward function and not by a person: iterative DPO's data, or labels from running tests."""

import math
from collections.abc import Sequence
from itertools import groupby

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import DatasetRef, RewardRef, Samples
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow
from tasks.reward.function import Judged, RewardSource, open_reward_function
from tasks.reward.scoring import known_gold


def label_by_reward(
    samples: Samples, source: RewardSource, fitted: Sequence[RewardRef], model: ModelConfig
) -> DatasetRef:
    """Of every prompt's samples the one of highest reward as chosen and the one of lowest as rejected.

    Labels are certain: neither temperature nor noise. Prompts whose samples all have one reward, or whose best and
    worst are the same text, are left out and counted.

    Raises UserError if that leaves no pair, or the reward function cannot judge a sample.
    """
    rows = read_rows_of(samples, SampleRow)
    batch = [Judged(row, row["response"], row["finished"]) for row in rows]
    rewards = open_reward_function(source, fitted, model).score(batch)["reward"]
    pairs: list[PairRow] = []
    tied = identical = 0
    for _, group in groupby(zip(rows, rewards, known_gold(batch), strict=True), key=lambda one: one[0]["prompt_id"]):
        members = list(group)
        best, worst = (choose(members, key=lambda one: one[1]) for choose in (max, min))
        tied += best[1] == worst[1]
        identical += best[1] != worst[1] and best[0]["response"] == worst[0]["response"]
        if best[1] > worst[1] and best[0]["response"] != worst[0]["response"]:
            pairs.append(pair_of((best[0], best[2]), (worst[0], worst[2])))
    if not pairs:
        raise UserError(
            f"no pair is left to learn from: {tied} prompts have samples of one reward alone; "
            "sample more responses a prompt, or check the reward"
        )
    current_tracker().metrics(
        {"data/pairs": len(pairs), "data/tied_prompts": tied, "data/identical_pairs": identical}, 0
    )
    return store_rows(pairs, "reward-labelled-pairs")


def pair_of(chosen: tuple[SampleRow, float], rejected: tuple[SampleRow, float]) -> PairRow:
    """Two samples of a prompt with their gold rewards, which are left out where they are not known (NaN)."""
    (better, better_gold), (worse, worse_gold) = chosen, rejected
    pair = PairRow(
        prompt_id=better["prompt_id"],
        prompt=better["prompt"],
        family=better["family"],
        chosen=better["response"],
        rejected=worse["response"],
    )
    if not math.isnan(better_gold + worse_gold):
        pair["chosen_gold"], pair["rejected_gold"] = better_gold, worse_gold
    return pair
