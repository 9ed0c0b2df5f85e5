"""Rewards in [0, 1]: the sigmoid of a fitted reward, and the true reward on a scale of its own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.data.tiny_world import sample_prompts, score
from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.reward.bounded import PlainReward, RangeReward, SigmoidReward, open_bounded
from tasks.reward.judged import Judged


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_bounds_hold_and_order_is_kept(one, other):
    low, high = sorted((one, other))
    for reward in (SigmoidReward(), RangeReward()):
        assert 0.0 <= reward.bound(low) <= reward.bound(high) <= 1.0
    assert PlainReward().bound(one) == one


def test_the_numbers():
    assert SigmoidReward().bound(0.7) == pytest.approx(1.0 / (1.0 + math.exp(-0.7)), abs=1e-12)
    assert [RangeReward(lowest=-2, highest=4).bound(value) for value in (-3.0, 1.0, 4.0)] == [0.0, 0.5, 1.0]


def test_the_true_reward_of_responses_on_its_scale():
    rows = sample_prompts("tldr", "train", 4, seed=0)
    batch = [Judged(row, "my dog", finished=True) for row in rows]
    golds = score(rows, ["my dog"] * 4, [True] * 4)
    reward = RangeReward()
    found = open_bounded(reward, [], ModelConfig())(batch)
    assert found == [pytest.approx((gold.reward + 2.0) / 6.0) for gold in golds]


def test_what_cannot_be_opened_is_refused():
    with pytest.raises(UserError, match="wants one reward model, 0 were given"):
        open_bounded(SigmoidReward(), [], ModelConfig())
    with pytest.raises(ValidationError, match="highest 1 must lie above lowest 1"):
        RangeReward(lowest=1.0, highest=1.0)
