import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.policy.steps.advantages import GeneralisedAdvantage, Rewarded
from tasks.policy.steps.clipped_value import ClippedValue, explained_variance


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(("reward_whitening", "expected"), [(False, 0.175890), (True, 0.571230)])
def test_dr_po_value_losses_of_the_card(reward_whitening, expected):
    rewards, values = tensor([-0.01, -0.005, 0.005, 0.99]), tensor([0.1, 0.2, 0.3, 0.4])
    mask = torch.ones(1, 4, dtype=torch.bool)
    estimator = GeneralisedAdvantage(whiten="all_tokens", reward_whitening=reward_whitening)
    found, _ = estimator.estimate(Rewarded(rewards, values, mask, mask, torch.zeros(1, dtype=torch.long)), {})
    loss, metrics = ClippedValue().loss(tensor([0.15, 0.5, 0.3, 0.9]), values, found.returns, mask)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert metrics["value_loss"].item() == loss.item()


def test_par_critic_loss_of_the_card():
    values, returns = tensor([0.3, 0.4, 0.5]), tensor([0.604858, 0.605858, 0.606358])
    loss, _ = ClippedValue(factor=1.0).loss(values, values, returns, torch.ones(1, 3, dtype=torch.bool))
    assert loss.item() == pytest.approx(0.048876, abs=1e-6)


def test_forced_tokens_are_fitted_unless_only_sampled_ones_are():
    mask, trainable = torch.tensor([[True, True, False]]), torch.tensor([[False, True, False]])
    assert torch.equal(ClippedValue().fitted(mask, trainable), mask)
    assert torch.equal(ClippedValue(tokens="trainable").fitted(mask, trainable), trainable)


@given(st.integers(0, 2**31), st.sampled_from(["token_mean", "sequence_mean", "sequence_sum", "constant"]))
def test_no_padding_is_read_and_micro_batches_add_up(seed, mode):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(4, 5, generator=generator) < 0.6
    new, old, returns = (torch.randn(4, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    settings = ClippedValue(reduction=mode, width=5)
    whole, _ = settings.loss(new, old, returns, mask)
    spoilt = (one.where(mask, torch.nan) for one in (new, old, returns))
    assert settings.loss(*spoilt, mask)[0].item() == whole.item()
    over = settings.denominator(mask)
    parts = [
        settings.loss(new[rows], old[rows], returns[rows], mask[rows], over)[0] for rows in (slice(0, 3), slice(3, 4))
    ]
    assert sum(parts).item() == pytest.approx(whole.item(), abs=1e-6)


def test_the_clip_stops_a_value_that_has_moved_far_enough_and_zero_lets_it_go():
    mask, old, target = torch.ones(1, 1, dtype=torch.bool), tensor([0.0]), tensor([1.0])
    new = tensor([0.5]).requires_grad_()
    loss, metrics = ClippedValue(factor=1.0).loss(new, old, target, mask)
    assert loss.item() == pytest.approx(0.64)
    assert metrics["value_clip_fraction"].item() == 1.0
    (gradient,) = torch.autograd.grad(loss, new)
    assert gradient.item() == 0.0
    free, metrics = ClippedValue(factor=1.0, clip=0.0).loss(new, old, target, mask)
    assert free.item() == pytest.approx(0.25)
    assert metrics["value_clip_fraction"].item() == 0.0


def test_explained_variance():
    mask = torch.tensor([[True, True, True, False]])
    returns = tensor([1.0, 2.0, 3.0, torch.nan])
    assert explained_variance(returns, returns, mask).item() == pytest.approx(1.0)
    assert explained_variance(returns * 0.0, returns, mask).item() == pytest.approx(0.0)
    assert explained_variance(returns, returns.where(mask, 0.0) * 0.0, mask).item() == 0.0
    assert explained_variance(-returns, returns, mask).item() == pytest.approx(-3.0)


def test_constant_needs_a_width():
    with pytest.raises(ValidationError, match="give width"):
        ClippedValue(reduction="constant")
