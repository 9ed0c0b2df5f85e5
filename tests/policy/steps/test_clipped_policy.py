import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tasks.policy.steps.advantages import GeneralisedAdvantage, LeaveOneOut, Rewarded
from tasks.policy.steps.clipped_policy import ClippedSurrogate, PolicyLoss, ScoreFunction
from tasks.policy.steps.macro_actions import MacroPooling
from tasks.policy.steps.token_rewards import token_rewards

MODES = ["token_mean", "sequence_mean", "sequence_sum", "constant"]


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


MA_OLD, MA_NEW = tensor([-1.0, -0.5, -0.8, -0.2, -0.6]), tensor([-0.9, -0.4, -0.5, -0.5, -0.6])
MA_REWARDS, MA_VALUES = tensor([-0.005, -0.01, 0.01, -0.005, 0.985]), tensor([0.1, 0.2, 0.3, 0.4, 0.5])
ONE_ROW = torch.zeros(1, dtype=torch.long)


@pytest.mark.parametrize(
    ("segments", "pooling", "ratio", "expected"),
    [
        ([0, 0, 1, 1, 2], "sum", "token", -0.676388),
        ([0, 0, 1, 1, 2], "sum", "macro", -0.674902),
        ([0, 0, 1, 1, 3], "mean", "token", -0.638863),
        ([0, 1, 2, 3, 4], "sum", "token", -0.653467),
    ],
)
def test_ma_rlhf_losses_of_the_card(segments, pooling, ratio, expected):
    mask, segments = torch.ones(1, 5, dtype=torch.bool), torch.tensor([segments])
    rewarded = Rewarded(MA_REWARDS, MA_VALUES, mask, mask, ONE_ROW, segments, MacroPooling(rewards=pooling))
    found, _ = GeneralisedAdvantage(whiten="none").estimate(rewarded, {})
    loss, metrics = ClippedSurrogate(ratio=ratio).loss(MA_NEW, MA_OLD, found.advantages, mask, segments=segments)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert metrics["policy_loss"].item() == loss.item()


@pytest.mark.parametrize(
    ("reward_whitening", "forced", "expected"), [(False, 2, 0.808360), (True, 2, -0.768778), (False, 0, -0.086377)]
)
def test_dr_po_losses_of_the_card(reward_whitening, forced, expected):
    old, reference = tensor([-1.0, -0.5, -0.8, -0.2]), tensor([-1.2, -0.6, -0.7, -0.4])
    mask = torch.ones(1, 4, dtype=torch.bool)
    trainable = torch.arange(4)[None] >= forced
    rewards = token_rewards(tensor(1.0), old, reference, mask, 0.05)
    estimator = GeneralisedAdvantage(whiten="all_tokens", reward_whitening=reward_whitening)
    values = tensor([0.1, 0.2, 0.3, 0.4])
    found, _ = estimator.estimate(Rewarded(rewards, values, mask, trainable, ONE_ROW), {})
    loss, _ = ClippedSurrogate().loss(tensor([-0.9, -0.4, -0.5, -0.5]), old, found.advantages, trainable)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_hc_rlhf_leave_one_out_loss_of_the_card():
    totals, log_probs = tensor([-0.207911], [1.265133]), tensor([-5.0], [-6.0])
    mask = torch.ones(2, 1, dtype=torch.bool)
    found, _ = LeaveOneOut().estimate(Rewarded(totals, totals, mask, mask, torch.tensor([4, 4])), {})
    loss, _ = ScoreFunction().loss(log_probs, log_probs, found.advantages, mask)
    assert loss.item() == pytest.approx(0.736522, abs=1e-6)


def test_cgpo_loss_of_the_card():
    coefficients, log_probs = (
        tensor([0.299517], [-0.198451], [0.097385], [-0.198451]),
        tensor([-12], [-20], [-9], [-15]),
    )
    mask = torch.ones(4, 1, dtype=torch.bool)
    loss, _ = ScoreFunction().loss(log_probs.double(), log_probs.double(), coefficients, mask)
    assert loss.item() == pytest.approx(-0.618778, abs=1e-5)


def drawn(seed, rows=4, time=6):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows, time, generator=generator) < 0.7
    numbers = [torch.randn(rows, time, generator=generator, dtype=torch.float64) for _ in range(5)]
    new, old, reference, advantages, entropies = (0.3 * one for one in numbers)
    segments = (torch.arange(time) // 2).expand(rows, time)
    return mask, segments, new, old, reference, advantages, entropies


@given(st.integers(0, 2**31), st.sampled_from(MODES), st.sampled_from(["token", "macro", "sequence"]))
def test_garbage_outside_the_mask_changes_neither_loss_nor_gradient(seed, mode, ratio):
    mask, segments, *numbers = drawn(seed)
    settings = ClippedSurrogate(
        reduction=mode, width=6, ratio=ratio, kl_coefficient=0.1, kl_estimator="inverted_k3", entropy_coefficient=0.01
    )
    found = []
    for garbage in (0.0, torch.nan, torch.inf):
        new, old, reference, advantages, entropies = (one.where(mask, garbage) for one in numbers)
        new.requires_grad_()
        loss, metrics = settings.loss(
            new, old, advantages, mask, segments=segments, reference_log_probs=reference, entropies=entropies
        )
        loss.backward()
        assert all(value.isfinite() and not value.requires_grad for value in metrics.values())
        found.append((loss.item(), new.grad))
    for loss, gradient in found[1:]:
        assert loss == found[0][0]
        assert torch.equal(gradient, found[0][1])
    assert (found[0][1][~mask] == 0.0).all()


@given(st.integers(0, 2**31), st.sampled_from(MODES), st.sampled_from(["token", "macro", "sequence"]))
def test_micro_batches_give_the_batch_s_loss_and_gradient(seed, mode, ratio):
    mask, segments, new, old, reference, advantages, _ = drawn(seed)
    settings = ClippedSurrogate(reduction=mode, width=6, ratio=ratio, kl_coefficient=0.1)
    new.requires_grad_()
    whole, _ = settings.loss(new, old, advantages, mask, segments=segments, reference_log_probs=reference)
    (expected,) = torch.autograd.grad(whole, new)
    over = settings.denominators(mask, segments)
    parts = sum(
        settings.loss(
            new[rows], old[rows], advantages[rows], mask[rows],
            segments=segments[rows], reference_log_probs=reference[rows], over=over,
        )[0]
        for rows in (slice(0, 1), slice(1, 4))
    )  # fmt: skip
    (found,) = torch.autograd.grad(parts, new)
    assert parts.item() == pytest.approx(whole.item(), abs=1e-6)
    assert torch.allclose(found, expected, atol=1e-7)


@given(st.integers(0, 2**31), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_token_surrogate_is_the_slow_loop(seed, low, high):
    mask, _, new, old, _, advantages, _ = drawn(seed)
    loss, metrics = ClippedSurrogate(clip_low=low, clip_high=high).loss(new, old, advantages, mask)
    terms, clipped = [], 0
    for n, o, a in zip(new[mask].tolist(), old[mask].tolist(), advantages[mask].tolist(), strict=True):
        ratio = float(torch.tensor(n - o, dtype=torch.float64).exp())
        bounded = min(max(ratio, 1.0 - low), 1.0 + high)
        terms.append(-min(ratio * a, bounded * a))
        clipped += bounded * a < ratio * a
    count = max(1, len(terms))
    assert loss.item() == pytest.approx(sum(terms) / count, abs=1e-6)
    assert metrics["clip_fraction"].item() == pytest.approx(clipped / count, abs=1e-6)


@given(st.integers(0, 2**31))
def test_at_the_sampling_policy_the_surrogate_has_the_score_function_s_gradient(seed):
    mask, _, new, _, _, advantages, _ = drawn(seed)
    new.requires_grad_()
    (ppo,) = torch.autograd.grad(ClippedSurrogate().loss(new, new.detach(), advantages, mask)[0], new)
    reinforce = ScoreFunction(reduction="token_mean")
    (plain,) = torch.autograd.grad(reinforce.loss(new, new.detach(), advantages, mask)[0], new)
    assert torch.allclose(ppo, plain, atol=1e-12)


def test_a_whole_response_as_one_macro_action_is_the_sequence_ratio():
    mask, _, new, old, _, advantages, _ = drawn(3)
    one = torch.zeros(mask.shape, dtype=torch.long)
    macro, _ = ClippedSurrogate(ratio="macro").loss(new, old, advantages, mask, segments=one)
    sequence, _ = ClippedSurrogate(ratio="sequence").loss(new, old, advantages, mask)
    assert macro.item() == pytest.approx(sequence.item())


def test_metrics_of_a_step_that_moved():
    mask = torch.tensor([[True, True, False]])
    old, new = tensor([-1.0, -1.0, 9.0]), tensor([-1.0, -0.5, -9.0])
    _, metrics = ClippedSurrogate().loss(new, old, tensor([1.0, 1.0, 1.0]), mask)
    ratio = 1.648721
    assert metrics["ratio_max"].item() == pytest.approx(ratio, abs=1e-6)
    assert metrics["ratio_mean"].item() == pytest.approx((1.0 + ratio) / 2, abs=1e-6)
    assert metrics["approx_kl_k1"].item() == pytest.approx(-0.25)
    assert metrics["approx_kl"].item() == pytest.approx((ratio - 1.0 - 0.5) / 2, abs=1e-6)
    assert metrics["clip_fraction"].item() == 0.5


def test_missing_tensors_and_widths_are_named():
    mask, segments, new, old, *_ = drawn(1)
    with pytest.raises(ValueError, match="reference_log_probs"):
        ClippedSurrogate(kl_coefficient=0.1).loss(new, old, new, mask)
    with pytest.raises(ValueError, match="entropies"):
        ScoreFunction(entropy_coefficient=0.1).loss(new, old, new, mask, segments=segments)
    with pytest.raises(ValueError, match="segments"):
        ClippedSurrogate(ratio="macro").loss(new, old, new, mask)
    with pytest.raises(ValidationError, match="give width"):
        TypeAdapter(PolicyLoss).validate_python({"kind": "clipped_surrogate", "reduction": "constant"})
