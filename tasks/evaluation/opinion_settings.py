"""A reward function as a measurement."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.reward.bounded import AnyReward, PlainReward


class Opinion(Frozen):
    """One reward function, the metric that its rewards are measured as, and how many reward models it reads."""

    metric: Literal["proxy_reward", "test_reward", "bounded_reward"] = Field(
        "proxy_reward", description="Name that its rewards are scored under"
    )
    reward: AnyReward = Field(PlainReward(), description="The reward function")
    members: int = Field(1, ge=0, le=64, description="Reward models that it reads, of those that are given in turn")
