"""INPO and SPPO: numbers worked by hand, the first round, and policies that have not moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import agrees_with_finite_differences, scored, value

from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.sppo import SPPO

HAND_WORKED = scored([[-10.0, -13.0]], reference=[[-12.0, -13.0]], previous=[[-11.0, -13.0]])
NATS = st.floats(-60, 0)
ROWS = st.lists(st.tuples(NATS, NATS, NATS, NATS), min_size=1, max_size=6)


@pytest.mark.parametrize(("eta", "expected"), [(0.1, 13.444444), (0.005, 9735.111111)])
def test_published_formula_gives_the_hand_worked_number(eta, expected):
    loss, metrics = INPO(eta=eta, tau_eta_ratio=1 / 3).loss(HAND_WORKED)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert metrics["rewards/margin"].item() / eta == pytest.approx(1.333333, abs=1e-6)


def test_three_policies_that_are_one_have_no_statistic_and_the_target_squared_for_loss():
    same = [[-4.0, -9.0], [-2.0, -1.0]]
    loss, metrics = INPO(eta=0.1).loss(scored(same, reference=same, previous=same))
    assert loss.item() == pytest.approx(25.0)
    assert metrics["rewards/margin"].item() == 0.0


@pytest.mark.parametrize("objective", [INPO(eta=0.2), INPO(tau_eta_ratio=0.0), INPO(tau_eta_ratio=1.0)])
def test_gradient_agrees_with_finite_differences(objective):
    group = scored(
        [[-12.0, -14.0], [-5.0, -1.5]],
        reference=[[-13.0, -13.5], [-4.0, -2.0]],
        previous=[[-12.5, -13.0], [-4.5, -2.5]],
    )
    assert agrees_with_finite_differences(objective, group)


@given(ROWS, st.floats(0.01, 2.0), st.floats(0.0, 1.0))
def test_in_the_first_round_it_is_ipo(rows, eta, ratio):
    policy, reference = [[a, b] for a, b, _, _ in rows], [[c, d] for _, _, c, d in rows]
    group = scored(policy, reference=reference, previous=reference)
    assert value(INPO(eta=eta, tau_eta_ratio=ratio), group) == pytest.approx(value(IPO(tau=eta), group), rel=1e-9)


@given(ROWS)
def test_without_kl_the_reference_does_not_matter(rows):
    policy, previous = [[a, b] for a, b, _, _ in rows], [[c, d] for _, _, c, d in rows]
    one = scored(policy, reference=previous, previous=previous)
    other = scored(policy, reference=[[-1.0, -50.0] for _ in rows], previous=previous)
    assert value(INPO(tau_eta_ratio=0.0), one) == value(INPO(tau_eta_ratio=0.0), other)


def test_sppo_is_the_squared_distance_to_its_step_and_knows_groups_of_any_size():
    group = scored([[-10.0, -13.0, -9.0]], previous=[[-11.0, -13.0, -9.5]], columns={"win_rates": [[0.8, 0.5, 0.2]]})
    loss, metrics = SPPO(eta=10.0).loss(group)
    assert loss.item() == pytest.approx(((1 - 3) ** 2 + 0.0 + (0.5 + 3) ** 2) / 3)
    assert metrics["sppo/target_step"].item() == pytest.approx(2.0)
    assert agrees_with_finite_differences(SPPO(eta=10.0), group)


def test_sppo_at_its_step_has_no_loss():
    group = scored([[-8.0, -16.0]], previous=[[-11.0, -13.0]], columns={"win_rates": [[0.8, 0.2]]})
    assert value(SPPO(eta=10.0), group) == pytest.approx(0.0)
