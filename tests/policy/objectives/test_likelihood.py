import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.policy.objectives.likelihood import NegativeLogLikelihood


def loss(log_probs, lengths, weights) -> float:
    scores = torch.tensor(log_probs, dtype=torch.float64)
    return NegativeLogLikelihood().loss(scores, torch.tensor(lengths), torch.tensor(weights))[0].item()


def test_weight_one_is_nats_per_response_token():
    # mask check of the DPO card: three scored tokens whose log-probabilities sum to -1.877757, mean -0.625919
    logits = torch.tensor([[2.0, 0, 1], [0.5, 1.5, -1], [1, 1, 1]], dtype=torch.float64)
    token = logits.log_softmax(-1)[torch.arange(3), torch.tensor([0, 1, 2])]
    assert loss([token.sum().item()], [3], [1.0]) == pytest.approx(0.625919, abs=1e-6)


def test_long_responses_count_by_their_tokens():
    assert loss([-10.0, -2.0], [4, 2], [1.0, 1.0]) == pytest.approx(12 / 6)


def test_gradient_is_weight_over_tokens_and_weights_get_none():
    log_probs = torch.tensor([-10.0, -2.0], requires_grad=True)
    weights = torch.tensor([0.5, 3.0], requires_grad=True)
    value, metrics = NegativeLogLikelihood().loss(log_probs, torch.tensor([4, 2]), weights)
    value.backward()
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == pytest.approx([-0.5 / 6, -3.0 / 6])
    assert weights.grad is None
    assert metrics["log_probs/token"].item() == pytest.approx(-2.0)
    assert metrics["weights/mean"].item() == pytest.approx(1.75)


def test_gradient_agrees_with_finite_differences():
    log_probs = torch.tensor([-3.0, -1.0], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.2, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda scores: NegativeLogLikelihood().loss(scores, torch.tensor([3, 1]), weights)[0], (log_probs,)
    )


def test_an_empty_batch_has_loss_zero_and_not_nan():
    assert loss([0.0, 0.0], [0, 0], [1.0, 1.0]) == 0.0


rows = st.lists(st.tuples(st.floats(-50, 0), st.integers(1, 30), st.floats(0, 5)), min_size=2, max_size=8)


@settings(max_examples=50, deadline=None)
@given(rows, st.integers(1, 7))
def test_parts_scaled_by_their_share_of_tokens_add_up_to_the_whole(batch, cut):
    cut = min(cut, len(batch) - 1)
    total = sum(length for _, length, _ in batch)
    parts = [batch[:cut], batch[cut:]]
    shares = [loss(*zip(*part, strict=True)) * sum(n for _, n, _ in part) / total for part in parts]
    assert sum(shares) == pytest.approx(loss(*zip(*batch, strict=True)), rel=1e-6, abs=1e-9)
