"""BRAIn's reward temperature: the effective size that was asked for, whatever the rewards' scale; ties; bad groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.reward_temperature import (
    COLDEST,
    effective_samples,
    grouped,
    temperature_at,
    tune_reward_temperature,
)
from tasks.reward.scoring import store_rewards


@given(st.integers(0, 1000), st.floats(0.01, 100.0), st.floats(0.2, 0.9))
def test_the_effective_size_is_the_share_asked_for_and_scales_with_the_rewards(seed, scale, share):
    rewards = np.random.default_rng(seed).normal(size=(8, 8))
    found = temperature_at(scale * rewards, share)
    assert effective_samples(scale * rewards, found) == pytest.approx(8 * share, rel=1e-6)
    assert found == pytest.approx(scale * temperature_at(rewards, share), rel=1e-6)


def test_hand_worked_effective_size():
    weights = np.array([0.75, 0.25])
    rewards = np.log(weights)[None]
    assert effective_samples(rewards, 1.0) == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert temperature_at(rewards, 1.6 / 2) == pytest.approx(1.0)


def test_where_best_responses_tie_the_coldest_temperature_is_taken():
    assert temperature_at(np.array([[1.0, 1.0, 0.0, 0.0]]), 0.25) == pytest.approx(COLDEST)


def test_the_objective_keeps_everything_else_and_what_was_found_is_logged(rlhf_home):
    table = pd.DataFrame({"prompt_id": ["b", "b", "a", "a"], "reward": [0.0, 1.0, 3.0, 0.0]})
    with stage_tracker(rlhf_home / "run.jsonl", rlhf_home / "work"):
        found = tune_reward_temperature(BRAIn(estimator="dpg"), store_rewards(table), 0.75)
    assert found.model_copy(update={"reward_temperature": 0.5}) == BRAIn(estimator="dpg")
    logged = [event["values"] for event, _ in read_events(rlhf_home / "run.jsonl") if event["event"] == "metrics"]
    assert logged[0]["posterior/effective_samples"] == pytest.approx(1.5, rel=1e-6)
    assert logged[0]["posterior/reward_temperature"] == found.reward_temperature


@pytest.mark.parametrize("prompts", [["a", "a", "b"], ["a", "b"]])
def test_unequal_groups_and_single_responses_are_refused(prompts):
    table = pd.DataFrame({"prompt_id": prompts, "reward": [1.0] * len(prompts)})
    with pytest.raises(UserError, match="equally many responses a prompt, two or more"):
        grouped(table)
