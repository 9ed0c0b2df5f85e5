"""SPCE: numbers worked by hand, its finite minimum, and where it is DPO."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.spce import SPCE

NATS = st.floats(-60, 0)
ROWS = st.lists(st.tuples(NATS, NATS, NATS, NATS), min_size=1, max_size=6)


def pair(strength, margin=1.5):
    return scored([[margin - 13.0, -13.0]], reference=[[-13.0, -13.0]], columns={"strength": [strength]})


@pytest.mark.parametrize(
    ("strength", "expected", "slope"),
    [(0.8, 0.650957, -0.026257), (0.5, 0.695957, 0.003743), (1.0, 0.620957, -0.046257)],
)
def test_published_formula_gives_the_hand_worked_number(strength, expected, slope):
    assert value(SPCE(beta=0.1), pair(strength)) == pytest.approx(expected, abs=1e-6)
    assert gradient(SPCE(beta=0.1), pair(strength))[0].tolist() == pytest.approx([slope, -slope], abs=1e-6)


def test_the_minimum_lies_at_the_log_odds_of_the_label_and_is_its_entropy():
    best = math.log(4) / 0.1
    assert best == pytest.approx(13.862944, abs=1e-6)
    assert value(SPCE(beta=0.1), pair(0.8, best)) == pytest.approx(0.500402, abs=1e-6)
    assert gradient(SPCE(beta=0.1), pair(0.8, best)).abs().max().item() < 1e-12


@given(ROWS)
def test_certain_labels_make_it_dpo(rows):
    policy, reference = [[a, b] for a, b, _, _ in rows], [[c, d] for _, _, c, d in rows]
    group = scored(policy, reference=reference, columns={"strength": [1.0] * len(rows)})
    assert value(SPCE(beta=0.3), group) == pytest.approx(value(DPO(beta=0.3), group), rel=1e-9)


@given(ROWS, st.floats(0.0, 1.0))
def test_turning_pair_and_label_round_changes_nothing(rows, strength):
    one = scored(
        [[a, b] for a, b, _, _ in rows],
        reference=[[c, d] for _, _, c, d in rows],
        columns={"strength": [strength] * len(rows)},
    )
    other = scored(
        [[b, a] for a, b, _, _ in rows],
        reference=[[d, c] for _, _, c, d in rows],
        columns={"strength": [1.0 - strength] * len(rows)},
    )
    assert value(SPCE(), one) == pytest.approx(value(SPCE(), other), rel=1e-9, abs=1e-12)


def test_gradient_agrees_with_finite_differences_and_metrics_tell_how_certain_labels_are():
    group = scored(
        [[-12.0, -14.0], [-5.0, -1.5]],
        reference=[[-13.0, -13.5], [-4.0, -2.0]],
        columns={"strength": [0.9, 0.3]},
    )
    assert agrees_with_finite_differences(SPCE(), group)
    assert SPCE().loss(group)[1]["spce/certainty"].item() == pytest.approx(0.3)
