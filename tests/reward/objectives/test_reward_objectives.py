"""Objectives of reward fitting against numbers worked out apart from the code, and against loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.cost import Cost
from tasks.reward.objectives.odin import ODIN, correlation
from tasks.reward.objectives.pairs import ScoredPairs
from tasks.reward.objectives.token_bradley_terry import TokenBradleyTerry

SCORES = st.floats(-20.0, 20.0)


def of(*pairs: tuple[float, float], **more) -> ScoredPairs:
    scores = torch.tensor(pairs, dtype=torch.float64)[..., None]
    lengths = torch.full(scores.shape[:2], 3)
    return ScoredPairs(**({"scores": scores, "lengths": lengths, "head": torch.ones(1, 4)} | more))


def value(objective, pairs: ScoredPairs) -> float:
    return float(objective.loss(pairs)[0])


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("objective", "pair", "expected"),
    [
        (BradleyTerry(), (2.0, 0.5), 0.201413),
        (BradleyTerry(square_penalty=0.001, squares="half_sum"), (2.0, 0.5), 0.203538),
        (BradleyTerry(square_penalty=0.005), (1.3, 0.4), 0.350404),
        (BradleyTerry(margin=0.5), (2.0, 0.5), 0.313262),
        (BradleyTerry(centring=0.01), (2.0, 0.5), 0.263913),
        (BradleyTerry(label_smoothing=0.1), (2.0, 0.5), 0.351413),
        (Cost(variant="bradley_terry", square_penalty=0.0), (0.5, 2.0), 0.201413),
    ],
)
def test_numbers_of_the_papers(objective, pair, expected):
    assert value(objective, of(pair)) == pytest.approx(expected, abs=1e-6)


@given(SCORES, SCORES, SCORES)
def test_bradley_terry_sees_differences_only(chosen, rejected, shift):
    moved = value(BradleyTerry(label_smoothing=0.1), of((chosen + shift, rejected + shift)))
    assert moved == pytest.approx(value(BradleyTerry(label_smoothing=0.1), of((chosen, rejected))), abs=1e-9)


def test_metrics_are_means_over_pairs_and_ties_count_half():
    _, metrics = BradleyTerry().loss(of((1.0, 0.0), (0.0, 2.0), (1.0, 1.0), (3.0, 1.0)))
    found = {name: float(number) for name, number in metrics.items()}
    assert found == {
        "scores/chosen": 1.25, "scores/rejected": 1.0, "scores/margin": 0.25, "scores/accuracy": 0.625, "penalty": 0.0,
    }  # fmt: skip


def test_signs_put_the_zero_of_a_cost_between_safe_and_unsafe():
    pairs = of((-1.0, 2.0), unsafe=torch.tensor([[False, True]]))
    expected = -math.log(sigma(3.0)) - math.log(sigma(1.0)) - math.log(sigma(2.0)) + 0.001 * (1 + 4) / 2
    assert value(Cost(), pairs) == pytest.approx(expected, abs=1e-9)
    flipped = of((-1.0, 2.0), unsafe=torch.tensor([[True, True]]))
    expected += 1.0
    assert value(Cost(), flipped) == pytest.approx(expected, abs=1e-9)
    assert float(Cost().loss(flipped)[1]["sign_accuracy"]) == 0.5


def test_a_cost_without_labels_says_what_to_do():
    with pytest.raises(UserError, match="chosen_unsafe"):
        Cost().loss(of((0.0, 1.0)))


def odin_pairs() -> ScoredPairs:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 2, 2, generator=draw, dtype=torch.float64)
    head = torch.randn(2, 5, generator=draw, dtype=torch.float64)
    return ScoredPairs(scores, torch.randint(1, 9, (6, 2), generator=draw), head)


def test_odin_equals_its_definition():
    pairs = odin_pairs()
    total = pairs.scores.sum(-1)
    likelihood = -sum(math.log(sigma(float(better - worse))) for better, worse in total) / 6
    tokens = pairs.lengths.flatten().double()
    table = torch.stack([pairs.scores[..., 0].flatten(), pairs.scores[..., 1].flatten(), tokens])
    rho = torch.corrcoef(table)
    first, second = pairs.head
    cosine = abs(float(first @ second) / float(first.norm() * second.norm()))
    expected = likelihood + 2.0 * (abs(float(rho[0, 2])) - float(rho[1, 2])) + 0.5 * cosine
    assert value(ODIN(length_weight=2.0, orthogonality_weight=0.5), pairs) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.01, 100.0))
def test_shrinking_odins_heads_does_not_make_them_orthogonal(scale):
    pairs = odin_pairs()
    shrunk = ScoredPairs(pairs.scores, pairs.lengths, pairs.head * scale)
    assert value(ODIN(), shrunk) == pytest.approx(value(ODIN(), pairs), abs=1e-9)


def test_equal_lengths_have_no_correlation_and_a_finite_gradient():
    scores = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    found = correlation(scores, torch.full((3,), 7.0))
    found.backward()
    assert found.item() == 0.0
    assert torch.isfinite(scores.grad).all()


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def token_pairs(garbage: float = 0.0) -> ScoredPairs:
    tokens = torch.full((2, 2, 4, 1), garbage, dtype=torch.float64)
    tokens[0, 0, :3, 0] = double(0.5, 1.0, 2.0)
    tokens[0, 1, :2, 0] = double(0.5, 0.25)
    tokens[1, 0, :1, 0] = double(0.3)
    tokens[1, 1, :4, 0] = double(0.1, 0.2, 0.3, 0.4)
    lengths = torch.tensor([[3, 2], [1, 4]])
    last = torch.tensor([[[2.0], [0.25]], [[0.3], [0.4]]])
    return ScoredPairs(last, lengths, torch.ones(1, 4), tokens=tokens, first_difference=torch.tensor([1, 0]))


def test_token_pairs_equal_a_loop_and_padding_changes_nothing():
    first = -(math.log(sigma(1.0 - 0.25)) + math.log(sigma(2.0 - 0.25))) / 2
    second = -sum(math.log(sigma(0.3 - score)) for score in (0.1, 0.2, 0.3, 0.4)) / 4
    for garbage in (0.0, 99.0, float("nan")):
        assert value(TokenBradleyTerry(), token_pairs(garbage)) == pytest.approx((first + second) / 2, abs=1e-9)


def test_token_pairs_that_never_differ_count_their_last_token():
    pairs = token_pairs()
    same = ScoredPairs(
        pairs.scores[:1], pairs.lengths[:1], pairs.head, tokens=pairs.tokens[:1], first_difference=torch.tensor([3])
    )
    assert value(TokenBradleyTerry(), same) == pytest.approx(-math.log(sigma(2.0 - 0.25)), abs=1e-9)
