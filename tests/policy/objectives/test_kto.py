"""KTO on pairs: numbers worked by hand, its reference point, and what holds for any scores."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.policy.objectives.kto import KTO
from tasks.policy.objectives.scores import ScoredGroup

RATIOS = st.lists(st.tuples(st.floats(-20.0, 20.0), st.floats(-20.0, 20.0)), min_size=1, max_size=6)


def group(log_ratios, requires_grad=False):
    policy = torch.tensor(log_ratios, dtype=torch.float64).reshape(-1, 2).requires_grad_(requires_grad)
    return ScoredGroup(policy, {"reference": torch.zeros_like(policy)}, torch.full(policy.shape, 5))


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def test_two_pairs_worked_by_hand():
    loss, metrics = KTO(beta=0.1, undesirable_weight=2.0).loss(group([[3.0, 1.0], [2.0, -2.0]]))
    z = (3.0 + 1.0 + 2.0 - 2.0) / 4
    gains = (1 - sigmoid(0.1 * (3 - z))) + (1 - sigmoid(0.1 * (2 - z)))
    losses = 2 * (1 - sigmoid(0.1 * (z - 1))) + 2 * (1 - sigmoid(0.1 * (z + 2)))
    assert loss.item() == pytest.approx((gains + losses) / 4, abs=1e-9)
    assert loss.item() == pytest.approx(0.694075, abs=1e-6)
    assert metrics["kto/reference_point"].item() == pytest.approx(1.0)
    assert metrics["rewards/margin"].item() == pytest.approx(0.3)


def test_while_the_policy_is_the_reference_every_response_counts_one_half():
    scored = group([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    loss, _ = KTO(beta=0.1).loss(scored)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    quarter = 0.1 * 0.25 / 4
    assert scored.policy.grad.flatten().tolist() == pytest.approx([-quarter, quarter] * 2)


def test_the_reference_point_is_never_negative_and_has_no_gradient():
    _, metrics = KTO().loss(group([[-3.0, -5.0]]))
    assert metrics["kto/reference_point"].item() == 0.0
    scored = group([[4.0, 2.0]], requires_grad=True)
    loss, metrics = KTO(beta=0.5).loss(scored)
    loss.backward()
    assert metrics["kto/reference_point"].item() == 3.0
    slope = 0.5 * sigmoid(0.5) * sigmoid(-0.5) / 2
    assert scored.policy.grad.flatten().tolist() == pytest.approx([-slope, slope])


@given(RATIOS, st.floats(0.01, 2.0))
def test_the_loss_lies_between_no_value_and_all_of_it_and_pulls_the_right_way(log_ratios, beta):
    scored = group(log_ratios, requires_grad=True)
    loss, _ = KTO(beta=beta).loss(scored)
    loss.backward()
    assert 0.0 <= loss.item() <= 1.0
    assert (scored.policy.grad[:, 0] <= 0.0).all()
    assert (scored.policy.grad[:, 1] >= 0.0).all()
