"""What one training run hands to the next, as Prefect tasks."""

from tasks.engine.refs import Checkpoint, CheckpointSeries, Rewards
from tasks.engine.stage import stage
from tasks.policy.policy_gradient import PolicyGradient


@stage()
def final_checkpoint(series: CheckpointSeries) -> Checkpoint:
    """The last checkpoint of a run, to sample from or to go on from."""
    return series.final


@stage()
def first_checkpoint(series: CheckpointSeries) -> Checkpoint:
    """The earliest checkpoint of a run that was kept."""
    return series.checkpoints[0]


@stage()
def join_series(parts: list[CheckpointSeries]) -> CheckpointSeries:
    """Runs that went on one from another as one, with steps counted through."""
    from tasks.policy import joining

    return joining.join_series(parts)


@stage()
def thresholds_at(method: PolicyGradient, rewards: Rewards, upper: float, lower: float) -> PolicyGradient:
    """A method whose filter's thresholds are quantiles of given rewards."""
    from tasks.policy import thresholds

    return thresholds.thresholds_at(method, rewards, upper, lower)
