"""A reward and a cost side by side."""

from collections.abc import Sequence

from tasks.reward.function import RewardFunction
from tasks.reward.judged import Judged


class RewardsAndCosts:
    """A ``RewardFunction``: the columns of one with the other's reward as ``cost``.

    Further columns of the cost's are called ``cost_...`` (``cost_member_0``, ``cost_variance``).
    """

    def __init__(self, reward: RewardFunction, cost: RewardFunction) -> None:
        self._reward = reward
        self._cost = cost

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """Both columns of every row. Raises UserError as the two do."""
        costs = self._cost.score(batch)
        named = {"cost" if name == "reward" else f"cost_{name}": column for name, column in costs.items()}
        return self._reward.score(batch) | named
