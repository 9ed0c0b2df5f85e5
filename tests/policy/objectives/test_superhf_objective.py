"""SuperHF's loss: the card's numbers, its gradient, and how the KL is taken together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.metrics import find_metric
from tasks.policy.objectives.superhf import SuperHF

POLICY = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.5]], dtype=torch.float64)
PRIOR = torch.tensor([[1.0, 1.0, 0.0], [0.2, 0.1, 0.4]], dtype=torch.float64)
LABELS = torch.tensor([0, 1])
ONE, TWO = torch.tensor([2]), torch.tensor([1, 1])


def test_the_card_s_numbers():
    value, metrics = SuperHF(kl_weight=0.35).loss(POLICY, PRIOR, LABELS, ONE)
    assert metrics["cross_entropy"].item() == pytest.approx(0.460790, abs=1e-6)
    assert metrics["prior_kl"].item() == pytest.approx(0.214187, abs=1e-6)
    assert value.item() == pytest.approx(0.535756, abs=1e-6)
    reverse = SuperHF().loss(PRIOR, POLICY, LABELS, ONE)[1]["prior_kl"].item()
    assert reverse == pytest.approx(0.194186, abs=1e-6)


def test_the_kl_of_a_minibatch_is_summed_or_averaged_and_the_cross_entropy_averaged():
    doubled = (POLICY.repeat(2, 1), PRIOR.repeat(2, 1), LABELS.repeat(2), torch.tensor([2, 2]))
    summed = SuperHF(kl_weight=0.35, kl_over_examples="sum").loss(*doubled)[0].item()
    averaged = SuperHF(kl_weight=0.35, kl_over_examples="mean").loss(*doubled)[0].item()
    assert summed == pytest.approx(0.460790 + 0.35 * 2 * 0.214187, abs=1e-6)
    assert averaged == pytest.approx(0.535756, abs=1e-6)


def test_each_completion_has_its_own_mean():
    apart = SuperHF(kl_weight=1.0, kl_over_examples="sum").loss(POLICY, PRIOR, LABELS, TWO)[0]
    together = SuperHF(kl_weight=1.0, kl_over_examples="sum").loss(POLICY, PRIOR, LABELS, ONE)[0]
    assert (apart - together).item() == pytest.approx(0.214187, abs=1e-6)


def test_no_weight_is_cross_entropy_and_no_distance_costs_nothing():
    plain = torch.nn.functional.cross_entropy(POLICY, LABELS).item()
    assert SuperHF(kl_weight=0.0).loss(POLICY, PRIOR, LABELS, ONE)[0].item() == pytest.approx(plain, abs=1e-12)
    assert SuperHF(kl_weight=9.0).loss(POLICY, POLICY, LABELS, ONE)[0].item() == pytest.approx(plain, abs=1e-9)
    barrier = SuperHF(kl_weight=0.0, inverse_loss_weight=0.5).loss(POLICY, PRIOR, LABELS, ONE)[0].item()
    assert barrier == pytest.approx(plain + 0.5 / plain, abs=1e-12)


@pytest.mark.parametrize("objective", [SuperHF(), SuperHF(kl_over_examples="mean", inverse_loss_weight=0.3)])
@pytest.mark.parametrize("lengths", [ONE, TWO])
def test_the_gradient_agrees_with_finite_differences_and_reaches_the_policy_alone(objective, lengths):
    policy, prior = POLICY.clone().requires_grad_(), PRIOR.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: objective.loss(logits, PRIOR, LABELS, lengths)[0], (policy,))
    objective.loss(policy, prior, LABELS, lengths)[0].backward()
    assert policy.grad is not None
    assert prior.grad is None


logits = st.lists(st.floats(-8, 8), min_size=4, max_size=4)


@given(st.lists(st.tuples(logits, logits, st.integers(0, 3)), min_size=1, max_size=6))
def test_the_prior_is_never_a_gain(rows):
    policy, prior = (torch.tensor([row[side] for row in rows], dtype=torch.float64) for side in (0, 1))
    labels, lengths = torch.tensor([row[2] for row in rows]), torch.tensor([len(rows)])
    free, held = (SuperHF(kl_weight=w).loss(policy, prior, labels, lengths)[0].item() for w in (0.0, 0.5))
    assert held >= free


def test_what_is_logged_is_registered():
    assert all(find_metric(f"train/{name}") for name in SuperHF().loss(POLICY, PRIOR, LABELS, ONE)[1])
