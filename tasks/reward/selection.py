"""Which checkpoint of which trial is kept: by accuracy on validation pairs of the training distribution, no other.

Every trial (a learning rate, a beta) has the accuracies of its checkpoints as ``pair_ranking`` makes them. Of equal
ones the earliest checkpoint of the first trial is kept.
"""

from collections.abc import Sequence

from tasks.data.tables import read_scores
from tasks.engine.refs import CheckpointSeries, Scores
from tasks.engine.tracking import current_tracker
from tasks.reward.series import RewardSeries, names_of

Accuracies = list[list[float]]
"""[trials][checkpoints]."""


def best_reward(trials: Sequence[RewardSeries], validation: Sequence[Scores]) -> RewardSeries:
    """The trial with the most accurate checkpoint, up to and with that one."""
    trial, place = best_of(accuracies([one.steps for one in trials], validation))
    return RewardSeries(steps=trials[trial].steps[: place + 1], rewards=trials[trial].rewards[: place + 1])


def best_policy(trials: Sequence[CheckpointSeries], validation: Sequence[Scores]) -> CheckpointSeries:
    """The same of policies, by their implicit rewards."""
    trial, place = best_of(accuracies([one.steps for one in trials], validation))
    return CheckpointSeries(steps=trials[trial].steps[: place + 1], checkpoints=trials[trial].checkpoints[: place + 1])


def matched_reward(
    trials: Sequence[RewardSeries], validation: Sequence[Scores], selected: Sequence[Scores]
) -> RewardSeries:
    """The one checkpoint nearest in accuracy to the worse of the ``selected`` ones of all arms."""
    trial, place = nearest_to(accuracies([one.steps for one in trials], validation), lowest(selected))
    return RewardSeries(steps=trials[trial].steps[place : place + 1], rewards=trials[trial].rewards[place : place + 1])


def matched_policy(
    trials: Sequence[CheckpointSeries], validation: Sequence[Scores], selected: Sequence[Scores]
) -> CheckpointSeries:
    """The same of policies."""
    trial, place = nearest_to(accuracies([one.steps for one in trials], validation), lowest(selected))
    kept = slice(place, place + 1)
    return CheckpointSeries(steps=trials[trial].steps[kept], checkpoints=trials[trial].checkpoints[kept])


def accuracies(steps: Sequence[list[int]], validation: Sequence[Scores]) -> Accuracies:
    """Mean accuracy of every trial's checkpoints, ``steps`` being theirs."""
    tables = [read_scores(scores).groupby("point")["value"].mean() for scores in validation]
    return [[float(table[name]) for name in names_of(own)] for own, table in zip(steps, tables, strict=True)]


def lowest(selected: Sequence[Scores]) -> float:
    """The accuracy of the worst of the selected checkpoints, each the last of its scores."""
    return min(float(table.loc[table["point"] == "", "value"].mean()) for table in map(read_scores, selected))


def best_of(found: Accuracies) -> tuple[int, int]:
    """Trial and checkpoint of the highest accuracy."""
    return nearest_to(found, 1.0)


def nearest_to(found: Accuracies, target: float) -> tuple[int, int]:
    """Trial and checkpoint of the accuracy nearest to ``target``."""
    places = [(trial, place) for trial, row in enumerate(found) for place in range(len(row))]
    trial, place = min(places, key=lambda one: abs(found[one[0]][one[1]] - target))
    current_tracker().metrics({"selection/trial": trial, "selection/checkpoint": place}, 0)
    return trial, place
