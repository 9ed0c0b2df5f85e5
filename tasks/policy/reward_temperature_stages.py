"""The choice of BRAIn's reward temperature as a Prefect task."""

from tasks.engine.refs import Rewards
from tasks.engine.stage import stage
from tasks.policy.objectives.brain import BRAIn


@stage()
def tune_reward_temperature(objective: BRAIn, rewards: Rewards, share: float) -> BRAIn:
    """The objective at the temperature at which a given share of a prompt's samples counts."""
    from tasks.policy import reward_temperature

    return reward_temperature.tune_reward_temperature(objective, rewards, share)
