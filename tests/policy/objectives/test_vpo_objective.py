"""VPO and XPO: numbers worked by hand, the sign, and where they are DPO."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.first_pair import first_pair
from tasks.policy.objectives.vpo import VPO
from tasks.policy.objectives.xpo import XPO

HAND_WORKED = scored(
    [[-12.0, -14.0, -20.0], [-12.0, -14.0, -18.0]], reference=[[-13.0, -13.5, -19.5], [-13.0, -13.5, -17.7]]
)
NATS = st.floats(-60, 0)
ROWS = st.lists(st.tuples(*[NATS] * 6), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (VPO(alpha=0.5, sign="optimistic"), 0.600957),
        (VPO(alpha=0.5, sign="pessimistic"), 0.640957),
        (VPO(alpha=0.0), 0.620957),
    ],
)
def test_published_formula_gives_the_hand_worked_number(objective, expected):
    loss, metrics = objective.loss(HAND_WORKED)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert metrics["vpo/calibration_log_ratio"].item() == pytest.approx(-0.4)


@given(ROWS, st.sampled_from(["optimistic", "pessimistic"]))
def test_alpha_zero_is_dpo(rows, sign):
    group = scored([row[:3] for row in rows], reference=[row[3:] for row in rows])
    assert value(VPO(alpha=0.0, sign=sign), group) == pytest.approx(value(DPO(), first_pair(group)), rel=1e-9)


def test_optimism_lowers_and_pessimism_raises_the_calibration_responses():
    assert (gradient(VPO(sign="optimistic"), HAND_WORKED)[:, 2] > 0).all()
    assert (gradient(VPO(sign="pessimistic"), HAND_WORKED)[:, 2] < 0).all()


def test_calibrated_by_chosen_responses_pessimism_is_dpo_with_their_likelihood():
    pair = first_pair(HAND_WORKED)
    calibrated = gradient(VPO(alpha=0.5, sign="pessimistic", calibration="chosen"), pair)
    added = calibrated - gradient(DPO(), pair)
    assert added[:, 0].tolist() == pytest.approx([-0.5 * 0.1 / 2] * 2)
    assert added[:, 1].abs().max().item() < 1e-12


def test_bounded_optimism_leaves_responses_alone_that_have_fallen_far_enough():
    bounded = gradient(VPO(sign="optimistic", largest_fall=0.4), HAND_WORKED)[:, 2]
    assert bounded[0].item() == 0.0
    assert bounded[1].item() == pytest.approx(0.1 * 0.1 / 2)


@pytest.mark.parametrize("objective", [VPO(), VPO(sign="pessimistic"), VPO(calibration="chosen"), XPO(alpha=0.3)])
def test_gradient_agrees_with_finite_differences(objective):
    assert agrees_with_finite_differences(objective, HAND_WORKED)


@given(ROWS)
def test_xpo_moves_the_policy_as_optimistic_vpo_does(rows):
    group = scored([row[:3] for row in rows], reference=[row[3:] for row in rows])
    one, other = gradient(XPO(beta=0.2, alpha=0.1), group), gradient(VPO(beta=0.2, alpha=0.5), group)
    assert one.flatten().tolist() == pytest.approx(other.flatten().tolist(), rel=1e-9, abs=1e-12)
