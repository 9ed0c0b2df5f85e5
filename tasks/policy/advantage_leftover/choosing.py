"""Which checkpoint of a run is the arm's policy: the one whose greedy responses to validation prompts do best."""

from collections.abc import Sequence

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import draw
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler
from tasks.reward.bounded import RangeReward, SigmoidReward, open_bounded
from tasks.reward.judged import Judged


def choose_on_validation(
    series: CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    reward: SigmoidReward | RangeReward,
    fitted: Sequence[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Checkpoint:
    """The checkpoint of highest mean reward, decoded greedily on ``prompts``; the first on a tie."""
    rows = read_rows_of(prompts, PromptRow)
    rewards = open_bounded(reward, fitted, model)
    greedy = decoding.model_copy(update={"temperature": 0.0})
    tracker = current_tracker()
    tracker.dataset(prompts, "validation")
    means: list[float] = []
    for step, checkpoint in zip(series.steps, series.checkpoints, strict=True):
        policy, tokenizer = open_frozen(checkpoint, model)
        samples = draw(InProcessSampler(policy, tokenizer, decoding.batch_rows), rows, greedy, 1, seed)
        found = rewards([Judged(row, row["response"], row["finished"]) for row in samples])
        means.append(sum(found) / len(found))
        tracker.metrics({"validation/bounded_reward": means[-1]}, step)
    best = means.index(max(means))
    tracker.metrics({"validation/chosen_step": series.steps[best]}, series.steps[-1])
    return series.checkpoints[best]
