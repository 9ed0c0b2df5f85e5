"""Reward fitting and scoring as Prefect tasks."""

from typing import Literal

from tasks.engine.refs import Checkpoint, DatasetRef, RewardRef, Rewards, Samples
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.objectives.pairwise_judge import PairwiseJudge
from tasks.reward.settings import RewardTraining
from tasks.reward.sources import RewardSource


@stage()
def fit_reward(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: RewardObjective,
    training: RewardTraining,
    model: ModelConfig,
    seed: int,
) -> RewardRef:
    """Fit one reward model to pairs; an ensemble is one call a seed."""
    from tasks.reward import fitting

    return fitting.fit_reward(start, pairs, held_out, objective, training, model, seed)


@stage()
def fit_pairwise(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: PairwiseJudge,
    training: RewardTraining,
    model: ModelConfig,
    seed: int,
) -> RewardRef:
    """Fit a judge that reads two responses together."""
    from tasks.reward import pairwise

    return pairwise.fit_pairwise(start, pairs, held_out, objective, training, model, seed)


@stage()
def score_samples(samples: Samples, source: RewardSource, fitted: list[RewardRef], model: ModelConfig) -> Rewards:
    """Reward sampled responses, with the tiny world's true reward beside it."""
    from tasks.reward import scoring

    return scoring.score_samples(samples, source, fitted, model)


@stage()
def average_rewards(fitted: list[RewardRef], held_out: DatasetRef, model: ModelConfig) -> RewardRef:
    """The reward model whose weights are the mean of those of ``fitted`` (WARM)."""
    from tasks.reward import averaging

    return averaging.average_rewards(fitted, held_out, model)


@stage()
def report_reward(
    pairs: DatasetRef, source: RewardSource, fitted: list[RewardRef], model: ModelConfig
) -> dict[str, float]:
    """Accuracy, agreement with gold and calibration of a reward function on held-out pairs."""
    from tasks.reward import report

    return report.report_reward(pairs, source, fitted, model)


@stage()
def label_costs(samples: Samples, temperature: float, noise: float, seed: int) -> DatasetRef:
    """Pairs of two samples a prompt, the safer one chosen, with labels of which are unsafe (family hh)."""
    from tasks.reward import cost_pairs

    return cost_pairs.label_costs(samples, temperature, noise, seed)


@stage()
def choose_pairs(samples: Samples, choice: Literal["max_edit_distance", "first_two"]) -> Samples:
    """Two of every prompt's samples: ``max_edit_distance`` or ``first_two``."""
    from tasks.reward import pair_choice

    return pair_choice.choose_pairs(samples, choice)


@stage()
def label_by_reward(samples: Samples, source: RewardSource, fitted: list[RewardRef], model: ModelConfig) -> DatasetRef:
    """Pairs of the best and the worst of every prompt's samples by a reward function."""
    from tasks.reward import preference_labels

    return preference_labels.label_by_reward(samples, source, fitted, model)


@stage()
def take_as_truth(rewards: Rewards, truth: Rewards) -> Rewards:
    """Rewards of samples beside those of another reward function as the true ones."""
    from tasks.reward import true_rewards

    return true_rewards.take_as_truth(rewards, truth)
