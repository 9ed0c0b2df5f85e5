"""What every response of a corpus is worth beyond what its prompt promised: A = R(x, y) - V_ref(x)."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from tasks.data.mixed_quality import CorpusRow
from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.refs import Checkpoint, DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.opening import open_frozen
from tasks.policy.advantage_leftover.reference import SequenceValue
from tasks.policy.advantage_leftover.value import encoded, open_value, values_of
from tasks.reward.bounded import RangeReward, SigmoidReward, open_bounded
from tasks.reward.judged import Judged


class RewardedRow(CorpusRow, total=False):
    """A response with its reward in [0, 1], the value of its prompt, and their difference."""

    reward: float
    value: float
    advantage: float


def estimate_advantages(
    policy: Checkpoint,
    value: SequenceValue,
    corpus: DatasetRef,
    reward: SigmoidReward | RangeReward,
    fitted: Sequence[RewardRef],
    model: ModelConfig,
) -> DatasetRef:
    """``corpus`` with rewards, values and advantages; ``value`` is the head of ``policy``, which is frozen.

    Values are read with dropout off, once for the whole corpus: the policy behind them never changes, so that
    recomputing them at every step, as A-LoL's code does for some variants, would give the same numbers.

    Raises UserError if the reward function cannot judge a response.
    """
    rows = read_rows_of(corpus, RewardedRow)
    rewards = open_bounded(reward, fitted, model)([Judged(row, row["response"], finished=True) for row in rows])
    frozen, tokenizer = open_frozen(policy, model)
    values = values_of(open_value(value, frozen), frozen, encoded(tokenizer, rows)).tolist()
    for row, worth, promised in zip(rows, rewards, values, strict=True):
        row["reward"], row["value"], row["advantage"] = worth, promised, worth - promised
    track(rows)
    return store_rows(rows, f"rewarded-{corpus.name}")


def track(rows: Sequence[RewardedRow]) -> None:
    """Log how many responses are left over, and by whom they were written."""
    advantages = np.array([row["advantage"] for row in rows])
    good = np.array([row["quality"] == "good" for row in rows])
    found = {
        "data/responses": float(len(rows)),
        "data/positive_advantages": float((advantages > 0.0).mean()),
        "data/mean_reward": float(np.mean([row["reward"] for row in rows])),
        "data/mean_value": float(np.mean([row["value"] for row in rows])),
    }
    if good.any():
        found["data/positive_advantages_of_good"] = float((advantages[good] > 0.0).mean())
    current_tracker().metrics(found, 0)


def pair_by_reward(rewarded: DatasetRef) -> DatasetRef:
    """Of every prompt's responses the one of highest reward as chosen and the one of lowest as rejected: DPO's data.

    Prompts whose responses are equal in reward or text are left out and counted. Raises UserError if no pair is left.
    """
    rows = sorted(read_rows_of(rewarded, RewardedRow), key=lambda row: row["prompt_id"])
    pairs: list[PairRow] = []
    prompts = 0
    for _, group in groupby(rows, key=lambda row: row["prompt_id"]):
        members = list(group)
        prompts += 1
        best, worst = (choose(members, key=lambda row: row["reward"]) for choose in (max, min))
        if best["reward"] > worst["reward"] and best["response"] != worst["response"]:
            pairs.append(
                PairRow(
                    prompt_id=best["prompt_id"], prompt=best["prompt"], family=best["family"],
                    chosen=best["response"], rejected=worst["response"],
                )
            )  # fmt: skip
    if not pairs:
        raise UserError(
            f"{prompts} prompts have responses of one reward alone, so none makes a pair; give more of each"
        )
    current_tracker().metrics({"data/pairs": len(pairs), "data/tied_prompts": prompts - len(pairs)}, 0)
    return store_rows(pairs, "corpus-pairs")
