"""Measurements of reward ensembles as Prefect tasks."""

from tasks.engine.refs import Rewards, Scores
from tasks.engine.stage import stage


@stage()
def measure_agreement(rewards: Rewards) -> Scores:
    """Correlation of an ensemble's members over the samples of every prompt."""
    from tasks.evaluation import member_agreement

    return member_agreement.measure_agreement(rewards)
