"""What rollouts are worth, and errors that say which prompt brought them about."""

import math
from collections.abc import Sequence

from tasks.engine.schema import UserError
from tasks.policy.rollouts import Rollout
from tasks.reward.function import Judged, RewardFunction


class RewardFailed(UserError):
    """The reward function raised, or gave a number that nothing can be learned from."""


def score_rollouts(function: RewardFunction, rollouts: Sequence[Rollout]) -> dict[str, list[float]]:
    """Every column of the reward function for every rollout.

    Raises RewardFailed naming the prompt: at the first rollout for which the function raises or its reward is NaN or
    infinite.
    """
    batch = [Judged(one.row, one.text, one.finished) for one in rollouts]
    try:
        columns = function.score(batch)
    except Exception as error:
        raise RewardFailed(_blame(function, batch, error)) from error
    for one, reward in zip(batch, columns["reward"], strict=True):
        if not math.isfinite(reward):
            raise RewardFailed(
                f"reward is {reward} for prompt {one.prompt['prompt_id']}, response {one.response[:80]!r}; "
                "check the reward model (NaN weights?) or the reward function"
            )
    return columns


def _blame(function: RewardFunction, batch: Sequence[Judged], error: Exception) -> str:
    """One line naming the first rollout that raises alone, or the batch where none does."""
    for one in batch:
        try:
            function.score([one])
        except Exception as alone:
            return (
                f"reward function raised {_described(alone)} for prompt {one.prompt['prompt_id']}, "
                f"response {one.response[:80]!r}"
            )
    first = batch[0].prompt["prompt_id"]
    return f"reward function raised {_described(error)} for a batch of {len(batch)} that begins with prompt {first}"


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
