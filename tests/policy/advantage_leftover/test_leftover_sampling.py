"""Which responses are drawn, how often, and for how many steps."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.policy.advantage_leftover.sampling import plan_draws, probabilities, share_drawn, steps_of_run
from tasks.policy.advantage_leftover.settings import LeftoverTraining

WEIGHTS = np.array([0.3, -0.5, 0.1, 0.0])


def test_priority_is_in_proportion_to_what_is_left_over():
    assert probabilities(WEIGHTS, "priority").tolist() == pytest.approx([0.75, 0.0, 0.25, 0.0])
    assert probabilities(WEIGHTS, "positive").tolist() == [0.5, 0.0, 0.5, 0.0]
    assert probabilities(WEIGHTS, "uniform").tolist() == [0.25] * 4
    assert share_drawn(probabilities(WEIGHTS, "priority")) == 0.5


def test_nothing_left_over_is_said():
    with pytest.raises(UserError, match="none of 2 responses is worth more than its prompt promised"):
        probabilities(np.array([-0.1, 0.0]), "priority")


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30).filter(lambda values: max(values) > 1e-6))
def test_chances_are_chances_and_negatives_have_none(values):
    weights = np.array(values)
    for sampling in ("priority", "positive"):
        chances = probabilities(weights, sampling)
        assert chances.sum() == pytest.approx(1.0)
        assert not chances[weights <= 0.0].any()


def test_draws_follow_the_chances_and_the_seed():
    plan = plan_draws(probabilities(WEIGHTS, "priority"), 500, 8, seed=1)
    counts = Counter(row for batch in plan for row in batch)
    assert set(counts) == {0, 2}
    assert counts[0] / 4000 == pytest.approx(0.75, abs=0.03)
    assert plan == plan_draws(probabilities(WEIGHTS, "priority"), 500, 8, seed=1)
    assert plan != plan_draws(probabilities(WEIGHTS, "priority"), 500, 8, seed=2)
    assert {len(batch) for batch in plan} == {8}


def test_steps_shrink_with_the_share_that_is_drawn():
    training = LeftoverTraining(batch_size=8, max_steps=10)
    assert [steps_of_run(100, share, training) for share in (1.0, 0.55, 0.01)] == [10, 6, 1]
    assert steps_of_run(100, 0.5, training.model_copy(update={"scale_steps": False})) == 10
    assert steps_of_run(100, 0.5, LeftoverTraining(batch_size=8, epochs=2)) == 12
    with pytest.raises(UserError, match="7 responses cannot fill a batch of 8"):
        steps_of_run(7, 1.0, training)
