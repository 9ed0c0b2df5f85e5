"""Objectives that papers compare with: the direct-alignment forms, Bo2, CPO, ORPO, RRHF and SLiC-HF."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.beta_ipo import BetaIPO
from tasks.policy.objectives.bo2 import Bo2
from tasks.policy.objectives.cpo import CPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.orpo import ORPO
from tasks.policy.objectives.reference_free_dpo import ReferenceFreeDPO
from tasks.policy.objectives.rrhf import RRHF
from tasks.policy.objectives.slic_hf import SLiCHF

ALL: list[Objective] = [BetaIPO(), LengthRegularisedDPO(), Bo2(), CPO(), ORPO(), RRHF(), SLiCHF()]
CARD = scored([[-12.3, -15.1]], reference=[[-13.0, -14.6]], lengths=[[30, 40]])
ROWS = st.lists(
    st.tuples(st.floats(-60, -0.1), st.floats(-60, -0.1), st.integers(1, 30), st.integers(1, 30)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (BetaIPO(beta=0.1), 0.7744),
        (BetaIPO(beta=0.5), 0.16),
        (LengthRegularisedDPO(beta=0.1, alpha=0.01), 0.683197),
        (Bo2(), 12.3),
        (CPO(beta=0.1, likelihood_weight=0.0), math.log1p(math.exp(-0.28))),
        (CPO(beta=0.1, likelihood_weight=1.0), math.log1p(math.exp(-0.28)) + 12.3),
        (SLiCHF(margin=3.0, likelihood_weight=0.0), 0.2),
        (SLiCHF(margin=3.0, likelihood_weight=0.1), 1.43),
        (RRHF(likelihood_weight=0.0), 12.3 / 30 - 15.1 / 40),
        (RRHF(likelihood_weight=0.1), 12.3 / 30 - 15.1 / 40 + 1.23),
    ],
)
def test_published_formula_gives_the_hand_worked_number(objective, expected):
    assert value(objective, CARD) == pytest.approx(expected, abs=1e-6)


def test_orpo_of_responses_whose_tokens_have_one_probability():
    group = scored([[4 * math.log(0.5), 2 * math.log(0.2)]], lengths=[[4, 2]])
    loss, metrics = ORPO(odds_ratio_weight=0.3).loss(group)
    assert loss.item() == pytest.approx(math.log(2) + 0.3 * math.log(1 + 0.25), abs=1e-9)
    assert metrics["rewards/margin"].item() == pytest.approx(math.log(4.0))


def test_orpo_of_a_certain_response_is_finite():
    group = scored([[0.0, -3.0]], lengths=[[4, 2]])
    assert math.isfinite(value(ORPO(), group))
    assert torch.isfinite(gradient(ORPO(), group)).all()


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_gradient_agrees_with_finite_differences(objective):
    group = scored(
        [[-12.0, -14.0], [-5.0, -1.5], [-8.0, -9.3]],
        reference=[[-13.0, -13.5], [-4.0, -2.0], [-9.0, -9.1]],
        lengths=[[6, 4], [3, 9], [5, 2]],
    )
    assert agrees_with_finite_differences(objective, group)


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_only_what_is_named_is_read_and_metrics_are_detached_scalars(objective):
    group = CARD if objective.anchors_needed else scored([[-12.3, -15.1]], lengths=[[30, 40]])
    _, metrics = objective.loss(group)
    assert {"rewards/margin", "rewards/accuracy", "log_probs/chosen"} <= metrics.keys()
    assert all(metric.ndim == 0 and not metric.requires_grad for metric in metrics.values())


def test_bo2_gives_the_loser_no_gradient():
    assert gradient(Bo2(), CARD)[0].tolist() == [-1.0, 0.0]


@given(ROWS, st.floats(0.05, 2.0))
def test_both_forms_of_ipo_differ_by_beta_squared(rows, tau):
    group = scored([[a, b] for a, b, _, _ in rows], reference=[[-1.0, -2.0]] * len(rows))
    assert value(BetaIPO(beta=2 * tau), group) == pytest.approx(4 * tau**2 * value(IPO(tau=tau), group), rel=1e-9)


@given(ROWS)
def test_no_penalty_is_dpo_and_no_likelihood_is_reference_free_dpo(rows):
    group = scored(
        [[a, b] for a, b, _, _ in rows],
        reference=[[-1.0, -2.0]] * len(rows),
        lengths=[[n, m] for _, _, n, m in rows],
    )
    assert value(LengthRegularisedDPO(beta=0.2, alpha=0.0), group) == value(DPO(beta=0.2), group)
    assert value(CPO(beta=0.2, likelihood_weight=0.0), group) == value(ReferenceFreeDPO(beta=0.2), group)


def test_a_long_winner_teaches_less_than_a_short_one():
    long = scored([[-10.0, -10.0]], reference=[[-10.0, -10.0]], lengths=[[40, 10]])
    short = scored([[-10.0, -10.0]], reference=[[-10.0, -10.0]], lengths=[[10, 40]])
    objective = LengthRegularisedDPO(alpha=0.1)
    assert gradient(objective, long)[0, 0].abs() < gradient(objective, short)[0, 0].abs()
