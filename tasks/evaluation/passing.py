"""Whether a policy's programs pass their tests when they are run."""

import pandas as pd

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means
from tasks.evaluation.response_metrics import by_prompt, sample_table
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import draw
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler
from tasks.reward.function import Judged, open_reward_function
from tasks.reward.sources import CodeTestsReward

SAMPLED = "T1"
"""Point of the same policy sampled at temperature 1."""


def measure_passing(
    policy: Checkpoint | CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    source: CodeTestsReward,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """``pass_at_1`` of a policy's last checkpoint by running its programs: greedy, and sampled (point ``T1``).

    Raises UserError for prompts of another family than ``code``, or where no sandbox can be started.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "evaluation")
    checkpoint = policy.final if isinstance(policy, CheckpointSeries) else policy
    opened, tokenizer = open_frozen(checkpoint, model)
    rows = read_rows_of(prompts, PromptRow)
    rewards = open_reward_function(source, [], model)
    frames = []
    for step, (point, temperature) in enumerate({SAMPLED: 1.0, FINAL: 0.0}.items(), start=1):
        how = decoding.model_copy(update={"temperature": temperature, "top_p": 1.0})
        samples = draw(InProcessSampler(opened, tokenizer, how.batch_rows), rows, how, 1, seed)
        passed = rewards.score([Judged(row, row["response"], row["finished"]) for row in samples])["reward"]
        metrics = {"pass_at_1": passed}
        frames.append(by_prompt(samples, metrics).assign(point=point))
        log_means("eval", metrics, step)
    tracker.table("samples.json", sample_table(samples, metrics))
    return store_scores(pd.concat(frames, ignore_index=True))
