"""Reward models along their fit, their rivals, and the choice among them as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, RewardRef, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.series import RewardSeries, RewardSeriesTraining


@stage()
def fit_reward_series(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: RewardObjective,
    training: RewardSeriesTraining,
    model: ModelConfig,
    seed: int,
) -> RewardSeries:
    """Fit one reward model to pairs and keep it at several steps."""
    from tasks.reward import series_fitting

    return series_fitting.fit_reward_series(start, pairs, held_out, objective, training, model, seed)


@stage()
def rank_by_reward(series: RewardSeries, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """Accuracy of explicit reward models on labelled pairs."""
    from tasks.reward import pair_ranking

    return pair_ranking.rank_by_reward(series, pairs, model)


@stage()
def rank_by_log_ratio(series: CheckpointSeries, pairs: DatasetRef, reference: LogProbs, model: ModelConfig) -> Scores:
    """Accuracy of implicit rewards on labelled pairs."""
    from tasks.reward import pair_ranking

    return pair_ranking.rank_by_log_ratio(series, pairs, reference, model)


@stage()
def rank_by_likelihood(policy: Checkpoint | CheckpointSeries, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """Accuracy of a policy's likelihood, without a reference, on labelled pairs."""
    from tasks.reward import pair_ranking

    return pair_ranking.rank_by_likelihood(policy, pairs, model)


@stage()
def rank_by_length(training: DatasetRef, pairs: DatasetRef, tokenizer: Checkpoint) -> Scores:
    """Accuracy of preferring the longer (or shorter) response on labelled pairs."""
    from tasks.reward import pair_ranking

    return pair_ranking.rank_by_length(training, pairs, tokenizer)


@stage()
def best_reward(trials: list[RewardSeries], validation: list[Scores]) -> RewardSeries:
    """The reward model, among all trials' checkpoints, that is most accurate on validation pairs."""
    from tasks.reward import selection

    return selection.best_reward(trials, validation)


@stage()
def best_policy(trials: list[CheckpointSeries], validation: list[Scores]) -> CheckpointSeries:
    """The policy whose implicit reward is."""
    from tasks.reward import selection

    return selection.best_policy(trials, validation)


@stage()
def matched_reward(trials: list[RewardSeries], validation: list[Scores], selected: list[Scores]) -> RewardSeries:
    """The reward model nearest in validation accuracy to the worse of the selected ones."""
    from tasks.reward import selection

    return selection.matched_reward(trials, validation, selected)


@stage()
def matched_policy(
    trials: list[CheckpointSeries], validation: list[Scores], selected: list[Scores]
) -> CheckpointSeries:
    """The policy whose implicit reward is."""
    from tasks.reward import selection

    return selection.matched_policy(trials, validation, selected)


@stage()
def final_reward(series: RewardSeries) -> RewardRef:
    """The last reward model of a series, to score or to label with."""
    return series.final
