"""Rewards of sampled responses, kept as an artifact."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.data.tables import read_rows_of
from tasks.data.tiny_world import FAMILIES
from tasks.engine.refs import RewardRef, Rewards, Samples
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow
from tasks.reward.function import Judged, RewardSource, open_reward_function
from tasks.reward.gold import gold_of

FILE = "rewards.parquet"


def score_samples(samples: Samples, source: RewardSource, fitted: Sequence[RewardRef], model: ModelConfig) -> Rewards:
    """Rewards of ``samples``, row by row.

    Columns: prompt_id, sample, finished, response_tokens, those of the reward function, gold_reward.
    """
    rows = read_rows_of(samples, SampleRow)
    batch = [Judged(row, row["response"], row["finished"]) for row in rows]
    columns = open_reward_function(source, fitted, model).score(batch)
    identity = {
        "prompt_id": [row["prompt_id"] for row in rows],
        "sample": [row["sample"] for row in rows],
        "finished": [row["finished"] for row in rows],
        "response_tokens": [len(row["ids"]) for row in rows],
    }
    table = pd.DataFrame({**identity, **columns, "gold_reward": known_gold(batch)})
    current_tracker().metrics({"eval/proxy_reward": float(table["reward"].mean())}, 0)
    return store_rewards(table)


def known_gold(batch: Sequence[Judged]) -> list[float]:
    """True rewards in the batch's order, NaN for prompts that are not of the tiny world."""
    values = [float("nan")] * len(batch)
    known = [place for place, one in enumerate(batch) if one.prompt["family"] in FAMILIES]
    for place, gold in zip(known, gold_of([batch[place] for place in known]), strict=True):
        values[place] = gold.reward
    return values


def store_rewards(table: pd.DataFrame) -> Rewards:
    """Store a table of rewards."""

    def fill(folder: Path) -> None:
        table.to_parquet(folder / FILE, index=False)

    return Store().write(Rewards, fill, rows=len(table))


def read_rewards(ref: Rewards) -> pd.DataFrame:
    """The table behind ``ref``, in the order of the samples."""
    return pd.read_parquet(Store().open(ref) / FILE)
