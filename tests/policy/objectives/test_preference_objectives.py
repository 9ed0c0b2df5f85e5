import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.policy.objectives.conservative_dpo import ConservativeDPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.reference_free_dpo import ReferenceFreeDPO
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.objectives.slic import SLiCHinge

ALL: list[Objective] = [DPO(), ConservativeDPO(), ReferenceFreeDPO(), IPO(), SLiCHinge()]
METRICS = {
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margin",
    "rewards/accuracy",
    "log_probs/chosen",
    "log_probs/rejected",
}


def group(policy, reference, *, requires_grad: bool = False) -> ScoredGroup:
    scores = torch.tensor(policy, dtype=torch.float64).reshape(-1, 2).requires_grad_(requires_grad)
    anchor = torch.tensor(reference, dtype=torch.float64).reshape(-1, 2)
    return ScoredGroup(scores, {"reference": anchor}, torch.full(anchor.shape, 5))


def value(objective: Objective, policy, reference) -> float:
    return objective.loss(group(policy, reference))[0].item()


DPO_CARD = ([-12.0, -14.0], [-13.0, -13.5])
SCALING_CARD = ([-12.3, -15.1], [-13.0, -14.6])


@pytest.mark.parametrize(
    ("objective", "scores", "expected"),
    [
        (DPO(beta=0.1), DPO_CARD, 0.620957),
        (ConservativeDPO(beta=0.1, label_smoothing=0.1), DPO_CARD, 0.635957),
        (IPO(tau=0.1), DPO_CARD, 12.25),
        (ReferenceFreeDPO(beta=0.1), DPO_CARD, 0.598139),
        (DPO(beta=0.1), SCALING_CARD, 0.634946),
        (DPO(beta=0.5), SCALING_CARD, 0.437488),
        (SLiCHinge(beta=0.1), SCALING_CARD, 0.88),
        (SLiCHinge(beta=0.5), SCALING_CARD, 0.4),
        (IPO(tau=0.1), SCALING_CARD, 14.44),
    ],
)
def test_published_formula_gives_the_hand_worked_number(objective, scores, expected):
    assert value(objective, *scores) == pytest.approx(expected, abs=1e-6)


def test_dpo_gradients_and_rewards_of_the_hand_worked_row():
    scored = group(*DPO_CARD, requires_grad=True)
    loss, metrics = DPO(beta=0.1).loss(scored)
    loss.backward()
    assert scored.policy.grad is not None
    assert scored.policy.grad.flatten().tolist() == pytest.approx([-0.046257, 0.046257], abs=1e-6)
    assert metrics["rewards/chosen"].item() == pytest.approx(0.1)
    assert metrics["rewards/rejected"].item() == pytest.approx(-0.05)
    assert metrics["rewards/margin"].item() == pytest.approx(0.15)
    assert metrics["rewards/accuracy"].item() == 1.0
    assert metrics["log_probs/chosen"].item() == -12.0
    assert metrics["log_probs/rejected"].item() == -14.0


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_gradient_agrees_with_finite_differences(objective):
    reference = torch.tensor([[-13.0, -13.5], [-4.0, -2.0], [-9.0, -9.1]], dtype=torch.float64)
    policy = torch.tensor([[-12.0, -14.0], [-5.0, -1.5], [-8.0, -9.0]], dtype=torch.float64, requires_grad=True)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        return objective.loss(ScoredGroup(scores, {"reference": reference}, torch.full((3, 2), 5)))[0]

    assert torch.autograd.gradcheck(loss, (policy,))


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_metrics_are_the_shared_names_detached_scalars(objective):
    _, metrics = objective.loss(group(*DPO_CARD, requires_grad=True))
    assert set(metrics) >= METRICS
    assert all(m.ndim == 0 and not m.requires_grad for m in metrics.values())


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_only_the_anchors_named_are_read(objective):
    scored = group(*DPO_CARD)
    named = {name: scored.anchors[name] for name in objective.anchors_needed}
    alone, _ = objective.loss(ScoredGroup(scored.policy, named, scored.lengths))
    assert alone.item() == value(objective, *DPO_CARD)


def test_loss_is_ln_2_while_policy_is_the_reference():
    same = [-3.0, -7.0, -1.0, -2.0]
    assert value(DPO(), same, same) == pytest.approx(math.log(2))
    assert value(ConservativeDPO(), same, same) == pytest.approx(math.log(2))
    assert value(SLiCHinge(), same, same) == 1.0
    assert value(IPO(tau=0.5), same, same) == 1.0


def test_a_ranked_group_of_three_is_refused_rather_than_cut():
    scores = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="unpack"):
        DPO().loss(ScoredGroup(scores, {"reference": scores}, torch.ones(2, 3)))


def test_hinge_stops_at_its_margin_and_says_how_many_rows_are_active():
    scored = group([0.0, -20.0, 0.0, -5.0], [0.0, 0.0, 0.0, 0.0], requires_grad=True)
    loss, metrics = SLiCHinge(beta=0.1).loss(scored)
    loss.backward()
    assert metrics["hinge/active"].item() == 0.5
    assert scored.policy.grad is not None
    assert scored.policy.grad[0].tolist() == [0.0, 0.0]
    assert scored.policy.grad[1].tolist() == pytest.approx([-0.05, 0.05])


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (DPO, {"beta": 0.0}),
        (ConservativeDPO, {"label_smoothing": 0.5}),
        (IPO, {"tau": -1.0}),
        (SLiCHinge, {"gamma": 1.0}),
    ],
)
def test_impossible_or_unknown_hyperparameters_are_refused(model, fields):
    with pytest.raises(ValidationError):
        model(**fields)


nats = st.floats(-60, 0, allow_nan=False)
rows = st.lists(st.tuples(nats, nats, nats, nats), min_size=1, max_size=6)


def split(quads):
    return [[a, b] for a, b, _, _ in quads], [[c, d] for _, _, c, d in quads]


@settings(max_examples=50, deadline=None)
@given(rows, st.floats(0.01, 5))
def test_scaling_law_form_of_ipo_is_the_same_loss_up_to_one_over_beta_squared(quads, tau):
    policy, reference = split(quads)
    margins = [(a - c) - (b - d) for a, b, c, d in quads]
    beta = 2 * tau
    expected = sum((beta * h - 1) ** 2 / beta**2 for h in margins) / len(margins)
    assert value(IPO(tau=tau), policy, reference) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(rows, st.floats(-30, 30), st.floats(-30, 30))
def test_a_constant_on_both_responses_changes_nothing(quads, to_policy, to_reference):
    policy, reference = split(quads)
    moved = [[a + to_policy, b + to_policy] for a, b in policy]
    moved_reference = [[a + to_reference, b + to_reference] for a, b in reference]
    for objective in ALL:
        before = value(objective, policy, reference)
        assert value(objective, moved, moved_reference) == pytest.approx(before, rel=1e-6, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(rows)
def test_swapping_the_pair_shifts_dpo_by_its_own_margin(quads):
    policy, reference = split(quads)
    swapped = [[b, a] for a, b in policy]
    swapped_reference = [[b, a] for a, b in reference]
    margin = DPO(beta=0.3).loss(group(policy, reference))[1]["rewards/margin"].item()
    difference = value(DPO(beta=0.3), swapped, swapped_reference) - value(DPO(beta=0.3), policy, reference)
    assert difference == pytest.approx(margin, rel=1e-6, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(rows, st.floats(0.0, 0.49))
def test_swapping_labels_and_smoothing_cancel(quads, epsilon):
    policy, reference = split(quads)
    swapped = [[b, a] for a, b in policy]
    swapped_reference = [[b, a] for a, b in reference]
    smoothed = value(ConservativeDPO(label_smoothing=epsilon), policy, reference)
    mixture = (1 - epsilon) * value(DPO(), policy, reference) + epsilon * value(DPO(), swapped, swapped_reference)
    assert smoothed == pytest.approx(mixture, rel=1e-6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(rows)
def test_limits_no_smoothing_is_dpo_and_small_beta_is_ln_2(quads):
    policy, reference = split(quads)
    assert value(ConservativeDPO(beta=0.2, label_smoothing=0.0), policy, reference) == pytest.approx(
        value(DPO(beta=0.2), policy, reference)
    )
    assert value(DPO(beta=1e-4), policy, reference) == pytest.approx(math.log(2), abs=1e-2)


def test_smoothing_puts_the_minimum_at_a_finite_margin():
    best = math.log(0.9 / 0.1)
    scored = group([best, 0.0], [0.0, 0.0], requires_grad=True)
    ConservativeDPO(beta=1.0, label_smoothing=0.1).loss(scored)[0].backward()
    assert scored.policy.grad is not None
    assert scored.policy.grad.abs().max().item() < 1e-9


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_extreme_log_probabilities_stay_finite_in_float32(objective):
    policy = torch.tensor([[-5000.0, -1.0], [-1.0, -5000.0]], requires_grad=True)
    anchor = torch.full((2, 2), -100.0)
    loss, _ = objective.loss(ScoredGroup(policy, {"reference": anchor}, torch.full((2, 2), 5)))
    loss.backward()
    assert policy.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(policy.grad).all()


def test_accuracy_is_zero_while_nothing_has_moved():
    same = [-3.0, -7.0]
    assert DPO().loss(group(same, same))[1]["rewards/accuracy"].item() == 0.0
