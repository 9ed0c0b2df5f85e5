"""Best-of-n as a decoding arm: sample n, keep the one a reward prefers."""

from collections.abc import Sequence
from itertools import groupby

from tasks.data.tables import read_rows_of
from tasks.engine.refs import CheckpointSeries, RewardRef, Samples
from tasks.evaluation.response_metrics import encoded
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow, store_samples
from tasks.models.opening import open_frozen
from tasks.models.reference import score_groups
from tasks.reward.function import Judged, RewardSource, open_reward_function


def choose_by_implicit_reward(samples: Samples, series: CheckpointSeries, model: ModelConfig) -> Samples:
    """Of each prompt's samples, the one with the largest log pi(y|x) - log pi_ref(y|x); the first on a tie.

    The samples were drawn from the reference, so their own ``log_prob`` is the second term; the last checkpoint of
    ``series`` was trained on the pairs, and its log-ratio is the reward they teach (DPO, arXiv 2305.18290, Eq. 5).
    """
    rows = read_rows_of(samples, SampleRow)
    policy, tokenizer = open_frozen(series.final, model)
    scores = [one[0] for one in score_groups(policy, encoded(tokenizer, rows))]
    rewards = [score - row["log_prob"] for score, row in zip(scores, rows, strict=True)]
    return store_samples(best_of_each(rows, rewards))


def choose_best_by_reward(
    samples: Samples, source: RewardSource, fitted: list[RewardRef], model: ModelConfig
) -> Samples:
    """Of each prompt's samples, the one with the largest reward under ``source``; the first on a tie.

    Raises UserError if the reward function cannot be opened or cannot read a sample.
    """
    rows = read_rows_of(samples, SampleRow)
    columns = open_reward_function(source, fitted, model).score(
        [Judged(row, row["response"], row["finished"]) for row in rows]
    )
    return store_samples(best_of_each(rows, columns["reward"]))


def best_of_each(rows: Sequence[SampleRow], rewards: Sequence[float]) -> list[SampleRow]:
    """Of each run of rows with the same prompt_id the one with the largest reward; the first on a tie."""
    groups = groupby(zip(rows, rewards, strict=True), key=lambda item: item[0]["prompt_id"])
    return [max(group, key=lambda item: item[1])[0] for _, group in groups]
