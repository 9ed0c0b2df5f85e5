"""BRAIn: numbers worked by hand, the three estimators' gradients, and where it is DPO on SFT samples."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scored import agrees_with_finite_differences, gradient, scored, value

from tasks.policy.objectives.brain import BRAIn, effective_sample_size
from tasks.policy.objectives.dpo import DPO

HAND_WORKED = scored(
    [[-9.0, -11.5, -9.8]],
    reference=[[-10.0, -11.0, -9.5]],
    behaviour=[[-10.0, -10.5, -10.0]],
    columns={"rewards": [[1.0, 0.2, -0.5]]},
)
AHAT, BHAT = [0.830191, 0.101662, 0.068146], [0.631049, 0.085403, 0.283548]
NATS = st.floats(-30, 0)
GROUPS = st.lists(st.tuples(*[NATS] * 12), min_size=1, max_size=4)


def test_published_formula_gives_the_hand_worked_numbers():
    objective = BRAIn(reward_temperature=0.5)
    assert objective.target(HAND_WORKED)[0].tolist() == pytest.approx(AHAT, abs=1e-6)
    loss, metrics = objective.loss(HAND_WORKED)
    assert loss.item() == pytest.approx(0.148259, abs=1e-6)
    assert gradient(objective, HAND_WORKED)[0].tolist() == pytest.approx([-0.199143, -0.016259, 0.215402], abs=1e-6)
    assert metrics["brain/target_sample_size"].item() == pytest.approx(1 / sum(a * a for a in AHAT), abs=1e-5)
    assert metrics["brain/policy_sample_size"].item() == pytest.approx(1 / sum(b * b for b in BHAT), abs=1e-5)


def test_the_ablations_subtract_a_plain_baseline_or_none():
    b = [math.exp(1.0), math.exp(-1.0), math.exp(0.2)]
    plain = [weight / 3 - a for weight, a in zip(b, AHAT, strict=True)]
    assert gradient(BRAIn(estimator="gdc++"), HAND_WORKED)[0].tolist() == pytest.approx(plain, abs=1e-6)
    assert gradient(BRAIn(estimator="dpg"), HAND_WORKED)[0].tolist() == pytest.approx([-a for a in AHAT], abs=1e-6)


def test_two_responses_the_larger_reward_taken_and_sft_samples_make_it_dpo_on_sft_samples():
    prior = [[-10.0, -11.0]]
    group = scored([[-9.0, -11.5]], reference=prior, behaviour=prior, columns={"rewards": [[0.7, 0.1]]})
    assert value(BRAIn(weights="argmax"), group) == pytest.approx(0.201413, abs=1e-6)
    assert value(DPO(beta=1.0), group) == pytest.approx(0.201413, abs=1e-6)


@given(GROUPS, st.floats(0.1, 2.0))
def test_argmax_weights_of_pairs_are_dpo_whichever_response_wins(rows, reward):
    prior = [list(row[2:4]) for row in rows]
    as_dpo = scored([list(row[:2]) for row in rows], reference=prior)
    turned = scored(
        [[row[1], row[0]] for row in rows],
        reference=[[row[3], row[2]] for row in rows],
        behaviour=[[row[3], row[2]] for row in rows],
        columns={"rewards": [[-reward, reward]] * len(rows)},
    )
    assert value(BRAIn(weights="argmax"), turned) == pytest.approx(value(DPO(beta=1.0), as_dpo), rel=1e-9, abs=1e-12)


@given(GROUPS)
def test_equal_rewards_and_one_policy_have_no_gradient(rows):
    same = [list(row[:4]) for row in rows]
    group = scored(same, reference=same, behaviour=same, columns={"rewards": [[0.3] * 4] * len(rows)})
    assert value(BRAIn(), group) == pytest.approx(0.0, abs=1e-12)
    assert gradient(BRAIn(), group).abs().max().item() < 1e-15


@given(GROUPS, st.floats(-5.0, 5.0))
def test_the_self_normalised_loss_is_never_negative_and_knows_no_constant_reward(rows, constant):
    policy, prior, proposal = ([list(row[4 * i : 4 * i + 4]) for row in rows] for i in range(3))
    rewards = [[0.1, -0.4, 0.9, 0.0]] * len(rows)
    moved = [[reward + constant for reward in row] for row in rewards]
    group = scored(policy, reference=prior, behaviour=proposal, columns={"rewards": rewards})
    other = scored(policy, reference=prior, behaviour=proposal, columns={"rewards": moved})
    assert value(BRAIn(), group) >= -1e-12
    assert value(BRAIn(), other) == pytest.approx(value(BRAIn(), group), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("estimator", ["brain", "gdc++", "dpg"])
@pytest.mark.parametrize("weights", ["softmax", "argmax"])
def test_gradient_agrees_with_finite_differences(estimator, weights):
    assert agrees_with_finite_differences(BRAIn(estimator=estimator, weights=weights), HAND_WORKED)


def test_a_proposal_that_is_the_policy_gives_a_group_baseline():
    group = scored(
        [[-9.0, -11.5, -9.8]],
        reference=[[-9.0, -11.5, -9.8]],
        behaviour=[[-9.0, -11.5, -9.8]],
        columns={"rewards": [[1.0, 0.2, -0.5]]},
    )
    target = BRAIn().target(group)
    assert gradient(BRAIn(), group)[0].tolist() == pytest.approx((1 / 3 - target[0]).tolist())


def test_the_effective_sample_size_counts_equal_weights():
    weights = torch.tensor([[0.25] * 4, [1.0, 0.0, 0.0, 0.0]])
    assert effective_sample_size(weights).tolist() == [4.0, 1.0]
