"""A-LoL and what it is compared with: the card's numbers, gradients, and where the methods meet."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tasks.evaluation.metrics import find_metric
from tasks.policy.objectives.a_lol import ALoL, KLALoL, ReferenceFreeALoL, TokenALoL
from tasks.policy.objectives.reward_weighted import ResponseLikelihood, RewardGOLD, RLoL, WeightedBehaviourCloning
from tasks.policy.objectives.rewarded_responses import ResponseObjective, RewardedResponses

ALL = [
    ALoL(), ReferenceFreeALoL(), TokenALoL(), KLALoL(beta=0.1), RLoL(), WeightedBehaviourCloning(), RewardGOLD(),
    ResponseLikelihood(),
]  # fmt: skip
LENGTHS = [3, 1, 2]


def responses(nll, reference, rewards, values, requires_grad: bool = False) -> RewardedResponses:
    """Rows of token losses under policy and reference, padded by zeros."""
    log_probs, frozen = (
        torch.nn.utils.rnn.pad_sequence([-torch.tensor(row, dtype=torch.float64) for row in rows], batch_first=True)
        for rows in (nll, reference)
    )
    worth = torch.tensor(rewards, dtype=torch.float64)
    return RewardedResponses(
        log_probs.requires_grad_(requires_grad),
        frozen,
        torch.tensor([len(row) for row in nll]),
        worth,
        worth - torch.tensor(values, dtype=torch.float64),
    )


def loss(objective: ResponseObjective, batch: RewardedResponses) -> float:
    return objective.loss(batch)[0].item()


def whole(reference: float, reward: float = 0.9) -> RewardedResponses:
    """The card's response: NLL 20 under the policy, V = 0.55."""
    return responses([[12.0, 8.0]], [[reference - 9.0, 9.0]], [reward], [0.55])


@pytest.mark.parametrize(
    ("objective", "reference", "expected"),
    [
        (ALoL(clip=0.9), 20.4, 10.442773),
        (ReferenceFreeALoL(), 20.4, 7.0),
        (WeightedBehaviourCloning(), 20.4, 18.0),
        (KLALoL(beta=0.1), 20.4, 7.04),
        (ALoL(clip=0.9), 21.0, 13.3),
        (ALoL(clip=0.9), 17.0, 0.7),
        (ResponseLikelihood(), 20.4, 20.0),
        (RLoL(clip=0.9), 20.4, 0.9 * 1.4918246976 * 20.0),
    ],
)
def test_the_card_s_numbers_of_whole_responses(objective, reference, expected):
    assert loss(objective, whole(reference)) == pytest.approx(expected, abs=1e-6)


def test_a_response_that_is_worth_less_than_promised_counts_nothing():
    for objective in (ALoL(), ReferenceFreeALoL(), TokenALoL()):
        assert loss(objective, whole(20.4, reward=0.5)) == 0.0


def test_the_card_s_numbers_token_by_token():
    batch = responses([[1.0, 2.0, 0.5]], [[1.5, 1.0, 0.5]], [0.9], [0.55])
    assert batch.token_ratios()[0].tolist() == pytest.approx([1.648721, 0.367879, 1.0], abs=1e-6)
    assert loss(TokenALoL(clip=0.9), batch) == pytest.approx(1.009568, abs=1e-6)
    assert batch.ratio().item() == pytest.approx(0.606531, abs=1e-6)
    assert loss(ALoL(clip=0.9), batch) == pytest.approx(0.743000, abs=1e-6)
    assert loss(RewardGOLD(lower_bound=0.1), batch) == pytest.approx(0.847634, abs=1e-6)


def test_the_clip_fraction_counts_ratios_outside_and_no_padding():
    batch = responses([[1.0, 1.0], [1.0]], [[1.0, 4.0], [1.0]], [0.9, 0.9], [0.0, 0.0])
    assert ALoL(clip=0.9).loss(batch)[1]["ratio_clip_fraction"].item() == pytest.approx(1 / 2)
    assert TokenALoL(clip=0.9).loss(batch)[1]["ratio_clip_fraction"].item() == pytest.approx(1 / 3)


def constant_weight(objective: ResponseObjective, log_probs: Tensor, batch: RewardedResponses) -> Tensor:
    """The loss with every constant of the formula held where ``batch`` has it: what its gradient is the gradient of."""
    nll, left = -log_probs.sum(-1), batch.positive_advantages
    bounds = (1.0 - 0.9, 1.0 + 0.9)
    weighted = {
        ALoL: left * batch.ratio().clamp(*bounds) * nll,
        ReferenceFreeALoL: left * nll,
        TokenALoL: -left * (batch.token_ratios().clamp(*bounds) * log_probs).sum(-1),
        KLALoL: left * nll + 0.1 * (-batch.reference.sum(-1) - nll),
        RLoL: batch.rewards * batch.ratio().clamp(*bounds) * nll,
        WeightedBehaviourCloning: batch.rewards * nll,
        RewardGOLD: -batch.rewards * (batch.log_probs.detach().exp().clamp(min=0.1) * log_probs).sum(-1),
        ResponseLikelihood: nll,
    }
    return weighted[type(objective)].mean()


@pytest.mark.parametrize("objective", ALL, ids=lambda one: type(one).__name__)
def test_the_gradient_follows_the_likelihood_alone_and_agrees_with_finite_differences(objective):
    nll, reference = [[1.0, 2.0, 0.5], [0.3], [2.0, 1.5]], [[1.5, 1.0, 0.5], [0.4], [1.0, 1.0]]
    batch = responses(nll, reference, [0.9, 0.3, 0.8], [0.5, 0.4, 0.6], requires_grad=True)
    objective.loss(batch)[0].backward()
    held = batch.log_probs.detach().clone().requires_grad_()
    value = constant_weight(objective, held, batch)
    value.backward()
    assert torch.allclose(batch.log_probs.grad, held.grad, atol=1e-12)
    assert value.item() == pytest.approx(loss(objective, batch), abs=1e-12)
    assert torch.autograd.gradcheck(lambda scores: constant_weight(objective, scores, batch), (held,))


rows = st.lists(
    st.tuples(
        st.lists(st.tuples(st.floats(0.01, 6.0), st.floats(0.01, 6.0)), min_size=1, max_size=5),
        st.floats(0.0, 1.0),
        st.floats(0.0, 1.0),
    ),
    min_size=1,
    max_size=6,
)


@given(rows)
def test_where_the_methods_meet(drawn):
    """A ratio clipped to 1 is no ratio, and the reward in place of the advantage makes R-LoL of A-LoL."""
    nll, reference = ([[token[side] for token in tokens] for tokens, _, _ in drawn] for side in (0, 1))
    rewards, values = [row[1] for row in drawn], [row[2] for row in drawn]
    batch = responses(nll, reference, rewards, values)
    worthless = responses(nll, reference, rewards, [0.0] * len(drawn))
    free = loss(ReferenceFreeALoL(), batch)
    for objective in (ALoL(clip=0.0), TokenALoL(clip=0.0), KLALoL(beta=0.0)):
        assert loss(objective, batch) == pytest.approx(free, abs=1e-9)
    assert loss(RLoL(clip=0.0), batch) == pytest.approx(loss(WeightedBehaviourCloning(), batch), abs=1e-9)
    assert loss(ALoL(clip=0.9), worthless) == pytest.approx(loss(RLoL(clip=0.9), batch), abs=1e-9)
    assert loss(ReferenceFreeALoL(), worthless) == pytest.approx(loss(WeightedBehaviourCloning(), batch), abs=1e-9)
    at_reference = responses(reference, reference, rewards, values)
    assert loss(ALoL(), at_reference) == pytest.approx(loss(ReferenceFreeALoL(), at_reference), abs=1e-9)
    assert loss(RewardGOLD(lower_bound=1.0), batch) == pytest.approx(loss(WeightedBehaviourCloning(), batch), abs=1e-9)


@given(rows)
def test_a_ratio_for_one_token_is_a_ratio_for_the_response(drawn):
    single = [(tokens[:1], reward, value) for tokens, reward, value in drawn]
    nll, reference = ([[token[side] for token in tokens] for tokens, _, _ in single] for side in (0, 1))
    batch = responses(nll, reference, [row[1] for row in single], [row[2] for row in single])
    assert loss(ALoL(), batch) == pytest.approx(loss(TokenALoL(), batch), abs=1e-9)


def test_padding_changes_nothing():
    short = responses([[1.0, 2.0]], [[1.5, 1.0]], [0.9], [0.5])
    padded = responses([[1.0, 2.0, 0.0, 0.0]], [[1.5, 1.0, 0.0, 0.0]], [0.9], [0.5])
    padded = RewardedResponses(padded.log_probs, padded.reference, torch.tensor([2]), padded.rewards, padded.advantages)
    for objective in ALL:
        first, again = objective.loss(short), objective.loss(padded)
        assert first[0].item() == pytest.approx(again[0].item(), abs=1e-12)
        assert {name: value.item() for name, value in first[1].items()} == pytest.approx(
            {name: value.item() for name, value in again[1].items()}
        )


@pytest.mark.parametrize("objective", ALL, ids=lambda one: type(one).__name__)
def test_what_is_logged_is_registered_and_detached(objective):
    batch = responses([[1.0]], [[1.0]], [0.9], [0.5], requires_grad=True)
    for name, value in objective.loss(batch)[1].items():
        assert find_metric(f"train/{name}"), name
        assert not value.requires_grad
