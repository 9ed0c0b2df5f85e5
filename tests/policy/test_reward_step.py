"""Scores of rollouts, and errors that name the prompt."""

import math
from collections.abc import Sequence

import pytest
from reinforced import MODEL

from tasks.data.rows import PromptRow, user_prompt
from tasks.policy.reward_step import RewardFailed, score_rollouts
from tasks.policy.rollouts import Rollout
from tasks.reward.function import Judged, open_reward_function
from tasks.reward.sources import GoldReward

ROLLOUTS = [
    Rollout(PromptRow(prompt_id=f"p{number}", prompt=user_prompt("x"), family="f"), [1], [2], 0, number % 2 == 0, text)
    for number, text in enumerate(["good", "bad", "ugly"])
]


class ByTable:
    """A user's reward function: a number a text; an exception in the table is raised."""

    def __init__(self, **table: float | Exception) -> None:
        self.table = table
        self.seen: list[Judged] = []

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        self.seen = list(batch)
        found = [self.table[one.response] for one in batch]
        for one in found:
            if isinstance(one, Exception):
                raise one
        return {"reward": found, "length": [len(one.response) for one in batch]}


class WantsOneAtATime(ByTable):
    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        if len(batch) > 1:
            raise MemoryError("batch too large")
        return super().score(batch)


def test_every_column_in_the_order_of_the_rollouts():
    function = ByTable(good=1.0, bad=-1.0, ugly=0.5)
    assert score_rollouts(function, ROLLOUTS) == {"reward": [1.0, -1.0, 0.5], "length": [4, 3, 4]}
    assert [(one.prompt["prompt_id"], one.finished) for one in function.seen] == [
        ("p0", True),
        ("p1", False),
        ("p2", True),
    ]


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_names_the_first_prompt(reward):
    with pytest.raises(RewardFailed, match=f"reward is {reward} for prompt p1, response 'bad'") as raised:
        score_rollouts(ByTable(good=1.0, bad=reward, ugly=reward), ROLLOUTS)
    assert "\n" not in str(raised.value)


def test_a_reward_function_that_raises_names_the_prompt():
    with pytest.raises(
        RewardFailed, match="raised ZeroDivisionError: by nought for prompt p2, response 'ugly'"
    ) as raised:
        score_rollouts(ByTable(good=1.0, bad=2.0, ugly=ZeroDivisionError("by\nnought")), ROLLOUTS)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert "\n" not in str(raised.value)


def test_one_that_fails_on_batches_alone_says_so():
    with pytest.raises(RewardFailed, match="MemoryError: batch too large for a batch of 3 that begins with prompt p0"):
        score_rollouts(WantsOneAtATime(good=1.0, bad=2.0, ugly=3.0), ROLLOUTS)


def test_a_prompt_of_another_world_is_named():
    with pytest.raises(RewardFailed, match="for prompt p0"):
        score_rollouts(open_reward_function(GoldReward(), [], MODEL), ROLLOUTS)
