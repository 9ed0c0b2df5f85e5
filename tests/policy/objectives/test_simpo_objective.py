"""SimPO and its ablations: numbers worked by hand, their limits, and what no length may change."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.length_normalised_dpo import LengthNormalisedDPO
from tasks.policy.objectives.reference_free_dpo import ReferenceFreeDPO
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.objectives.simpo import SimPO

SHORTER_LOSES = scored([[-12.0, -14.0]], lengths=[[6, 4]])
SUM_AND_MEAN_DISAGREE = scored([[-12.0, -14.0]], lengths=[[4, 7]])
EQUAL_AVERAGES = scored([[-12.0, -14.0]], lengths=[[6, 7]])
PAIRS = st.lists(
    st.tuples(st.floats(-60, 0), st.floats(-60, 0), st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=6
)


@pytest.mark.parametrize(
    ("objective", "group", "expected"),
    [
        (SimPO(beta=2.0, gamma_beta_ratio=0.5), SHORTER_LOSES, 0.126928),
        (SimPO(beta=10.0, gamma_beta_ratio=0.3), SHORTER_LOSES, 6.14419e-06),
        (SimPO(beta=2.0, gamma_beta_ratio=0.5), SUM_AND_MEAN_DISAGREE, 3.048587),
        (SimPO(beta=2.0, gamma_beta_ratio=0.5, form="hinge"), SUM_AND_MEAN_DISAGREE, 4.0),
        (SimPO(beta=2.0, gamma_beta_ratio=0.5), EQUAL_AVERAGES, 1.313262),
    ],
)
def test_published_formula_gives_the_hand_worked_number(objective, group, expected):
    assert value(objective, group) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_rewards_are_averages_times_beta_and_long_responses_weigh_less():
    objective = SimPO(beta=2.0, gamma_beta_ratio=0.5)
    _, metrics = objective.loss(SHORTER_LOSES)
    assert (metrics["rewards/chosen"].item(), metrics["rewards/rejected"].item()) == (-4.0, -7.0)
    slope = 2.0 / (1.0 + math.exp(2.0))
    assert gradient(objective, SHORTER_LOSES)[0].tolist() == pytest.approx([-slope / 6, slope / 4])


@pytest.mark.parametrize(
    "objective",
    [
        SimPO(),
        SimPO(form="hinge"),
        SimPO(label_smoothing=0.2, sft_weight=0.3),
        SimPO(length_normalisation=False),
        LengthNormalisedDPO(),
    ],
)
def test_gradient_agrees_with_finite_differences(objective):
    group = scored(
        [[-12.0, -14.0], [-5.0, -1.5], [-8.0, -9.0]],
        lengths=[[6, 4], [3, 9], [2, 2]],
        reference=[[-13.0, -13.5], [-4.0, -2.0], [-9.0, -9.1]],
    )
    assert agrees_with_finite_differences(objective, group)


@given(PAIRS, st.floats(0.1, 5.0))
def test_no_margin_and_equal_lengths_is_length_normalised_dpo_without_a_reference(pairs, beta):
    policy = [[w, l_] for w, l_, _, _ in pairs]
    lengths = [[n, n] for _, _, n, _ in pairs]
    zeros = [[0.0, 0.0] for _ in pairs]
    group = scored(policy, lengths=lengths, reference=zeros)
    found = value(SimPO(beta=beta, gamma_beta_ratio=0.0), group)
    assert found == pytest.approx(value(LengthNormalisedDPO(beta=beta), group), rel=1e-9, abs=1e-12)


@given(PAIRS, st.floats(0.1, 5.0))
def test_without_normalisation_and_margin_it_is_reference_free_dpo(pairs, beta):
    group = scored([[w, l_] for w, l_, _, _ in pairs], lengths=[[n, m] for _, _, n, m in pairs])
    ablated = SimPO(beta=beta, gamma_beta_ratio=0.0, length_normalisation=False)
    assert value(ablated, group) == pytest.approx(value(ReferenceFreeDPO(beta=beta), group), rel=1e-9, abs=1e-12)


@given(PAIRS, st.integers(1, 9))
def test_responses_repeated_any_number_of_times_are_rewarded_alike(pairs, times):
    once = scored([[w, l_] for w, l_, _, _ in pairs], lengths=[[n, m] for _, _, n, m in pairs])
    more = ScoredGroup(once.policy * times, {}, once.lengths * times)
    assert value(SimPO(), more) == pytest.approx(value(SimPO(), once), rel=1e-9, abs=1e-12)


@given(PAIRS, st.floats(0.0, 0.49))
def test_smoothing_mixes_the_losses_of_both_labels_when_there_is_no_margin(pairs, epsilon):
    lengths = [[n, m] for _, _, n, m in pairs]
    as_is = scored([[w, l_] for w, l_, _, _ in pairs], lengths=lengths)
    turned = scored([[l_, w] for w, l_, _, _ in pairs], lengths=[[m, n] for n, m in lengths])
    plain = SimPO(gamma_beta_ratio=0.0)
    mixed = (1 - epsilon) * value(plain, as_is) + epsilon * value(plain, turned)
    assert value(SimPO(gamma_beta_ratio=0.0, label_smoothing=epsilon), as_is) == pytest.approx(mixed, rel=1e-9)


def test_the_likelihood_term_is_the_mean_over_the_chosen_tokens_of_the_batch():
    group = scored([[-12.0, -14.0], [-3.0, -1.0]], lengths=[[6, 4], [4, 4]])
    added = value(SimPO(sft_weight=2.0), group) - value(SimPO(), group)
    assert added == pytest.approx(2.0 * 15.0 / 10.0)


def test_a_response_without_tokens_has_a_finite_loss():
    group = scored([[0.0, -14.0]], lengths=[[0, 4]])
    assert math.isfinite(value(SimPO(sft_weight=1.0), group))
    assert torch.isfinite(gradient(SimPO(), group)).all()


def test_length_normalised_dpo_divides_the_log_ratios():
    group = scored([[-12.0, -14.0]], lengths=[[5, 2]], reference=[[-13.0, -13.5]])
    expected = math.log1p(math.exp(-2.0 * (1.0 / 5 + 0.5 / 2)))
    assert value(LengthNormalisedDPO(beta=2.0), group) == pytest.approx(expected)


def test_a_smoothed_hinge_is_refused():
    with pytest.raises(ValidationError, match="label_smoothing is defined for the sigmoid form"):
        SimPO(form="hinge", label_smoothing=0.1)
