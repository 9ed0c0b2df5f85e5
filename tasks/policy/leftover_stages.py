"""A-LoL's stages as Prefect tasks: value, advantages, training, and the choice of a checkpoint."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Samples
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.policy.advantage_leftover.reference import SequenceValue
from tasks.policy.advantage_leftover.settings import Leftover, LeftoverTraining, Sampling, ValueFitting, Weighted
from tasks.reward.bounded import RangeReward, SigmoidReward


@stage()
def fit_value(
    policy: Checkpoint,
    samples: Samples,
    reward: SigmoidReward | RangeReward,
    fitted: list[RewardRef],
    settings: ValueFitting,
    model: ModelConfig,
    seed: int,
) -> SequenceValue:
    """Fit the value of a frozen policy to the rewards of its greedy responses."""
    from tasks.policy.advantage_leftover import value

    return value.fit_value(policy, samples, reward, fitted, settings, model, seed)


@stage()
def estimate_advantages(
    policy: Checkpoint,
    value: SequenceValue,
    corpus: DatasetRef,
    reward: SigmoidReward | RangeReward,
    fitted: list[RewardRef],
    model: ModelConfig,
) -> DatasetRef:
    """Rewards, values and advantages of every response of a corpus."""
    from tasks.policy.advantage_leftover import advantages

    return advantages.estimate_advantages(policy, value, corpus, reward, fitted, model)


@stage()
def pair_by_reward(rewarded: DatasetRef) -> DatasetRef:
    """The best and the worst response of every prompt of a corpus, as a pair."""
    from tasks.policy.advantage_leftover import advantages

    return advantages.pair_by_reward(rewarded)


@stage()
def optimise_leftover(
    start: Checkpoint,
    rewarded: DatasetRef,
    objective: Leftover | Weighted,
    sampling: Sampling,
    training: LeftoverTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Train on given responses by what they are worth."""
    from tasks.policy.advantage_leftover import training as room

    return room.optimise_leftover(start, rewarded, objective, sampling, training, model, seed)


@stage()
def choose_on_validation(
    series: CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    reward: SigmoidReward | RangeReward,
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Checkpoint:
    """The checkpoint that does best on validation prompts."""
    from tasks.policy.advantage_leftover import choosing

    return choosing.choose_on_validation(series, prompts, decoding, reward, fitted, model, seed)
