"""Which checkpoint of a run to keep: the one whose responses to validation prompts a reward function likes best."""

from collections.abc import Sequence

import numpy as np

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import draw
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler
from tasks.reward.function import Judged, RewardSource, open_reward_function


def choose_iterate(
    series: CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    source: RewardSource,
    fitted: Sequence[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Checkpoint:
    """The checkpoint with the highest mean reward of one response a prompt; of equal ones the earliest.

    RLHF Workflow (arXiv 2405.07863), section 4: the best of pi_1 ... pi_T on a validation set. Logs the mean of every
    checkpoint at its step. Raises UserError if the reward function cannot be opened or judge a response.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "validation")
    rows = read_rows_of(prompts, PromptRow)
    rewards = open_reward_function(source, fitted, model)
    means: list[float] = []
    for step, checkpoint in zip(series.steps, series.checkpoints, strict=True):
        policy, tokenizer = open_frozen(checkpoint, model)
        samples = draw(InProcessSampler(policy, tokenizer, decoding.batch_rows), rows, decoding, 1, seed)
        scores = rewards.score([Judged(row, row["response"], row["finished"]) for row in samples])["reward"]
        means.append(float(np.mean(scores)))
        tracker.metrics({"held_out/proxy_reward": means[-1]}, step)
    best = int(np.argmax(means))
    tracker.metrics({"validation/chosen_step": series.steps[best]}, series.steps[-1])
    return series.checkpoints[best]
