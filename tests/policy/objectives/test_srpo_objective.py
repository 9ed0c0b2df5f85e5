"""SRPO: numbers worked by hand, its start, its degenerate ends, and the identities that it regresses on."""

import numpy as np
import pytest
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.srpo import RESPONSES, SRPO

RATIOS = {
    "y_w | x": 0.9,
    "y_l | x": -0.5,
    "y_w | x, y_l": 1.2,
    "y_l | x, y_l": 0.3,
    "y_w | x, y_w": 0.6,
    "y_l | x, y_w": -0.8,
}
REFERENCE = [-10.0, -11.0, -9.0, -8.0, -7.0, -12.0]
HAND_WORKED = scored(
    [[frozen + RATIOS[name] for frozen, name in zip(REFERENCE, RESPONSES, strict=True)]], reference=[REFERENCE]
)


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 0.1089), (1.0, 0.2977), (0.5, 0.2033)])
def test_published_formula_gives_the_hand_worked_number(alpha, expected):
    assert value(SRPO(beta=0.1, alpha=alpha), HAND_WORKED) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 0.25), (1.0, 0.5), (0.5, 0.375)])
def test_loss_while_the_policy_is_the_reference(alpha, expected):
    assert value(SRPO(alpha=alpha), scored([REFERENCE], reference=[REFERENCE])) == pytest.approx(expected)


def test_metrics_hold_the_two_margins_whose_target_is_one_half():
    _, metrics = SRPO(beta=0.1).loss(HAND_WORKED)
    assert metrics["srpo/generation_margin"].item() == pytest.approx(0.05 * (1.2 + 0.8 + 0.9 + 0.5))
    assert metrics["srpo/revision_margin"].item() == pytest.approx(0.1 * (0.9 + 1.4) / 2)
    assert metrics["rewards/margin"].item() == pytest.approx(0.14)


def test_the_reviser_alone_gives_the_policy_no_gradient():
    assert gradient(SRPO(alpha=1.0), HAND_WORKED)[0, :2].tolist() == [0.0, 0.0]
    assert gradient(SRPO(alpha=0.0), HAND_WORKED)[0, [3, 4]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_gradient_agrees_with_finite_differences(alpha):
    assert agrees_with_finite_differences(SRPO(alpha=alpha), HAND_WORKED)


def test_the_solution_of_the_game_obeys_both_identities():
    beta = 0.7
    p = np.array([[0.5, 0.8, 0.3], [0.2, 0.5, 0.6], [0.7, 0.4, 0.5]])
    prior = np.array([0.5, 0.3, 0.2])
    draft_prior = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2], [0.3, 0.3, 0.4]])
    tilted = draft_prior * np.exp(p.T / beta)
    normaliser = tilted.sum(axis=1)
    revise = np.log(tilted / normaliser[:, None]) - np.log(draft_prior)
    answer = -np.log(normaliser) - np.log((prior / normaliser).sum())
    for one in range(3):
        for two in range(3):
            wanted = p[two, one] - 0.5
            assert beta * (revise[one, two] - revise[one, one]) == pytest.approx(wanted, abs=1e-12)
            both = revise[one, two] - revise[two, one] + answer[two] - answer[one]
            assert beta / 2 * both == pytest.approx(wanted, abs=1e-12)
