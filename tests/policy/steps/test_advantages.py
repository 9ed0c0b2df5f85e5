import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tasks.engine.schema import UserError
from tasks.policy.steps.advantages import (
    AdvantageEstimator,
    BatchBaseline,
    GeneralisedAdvantage,
    GroupNormalised,
    LeaveOneOut,
    Rewarded,
    RunningBaseline,
    gae,
)
from tasks.policy.steps.macro_actions import MacroPooling

MA_REWARDS = [-0.005, -0.01, 0.01, -0.005, 0.985]
MA_VALUES = [0.1, 0.2, 0.3, 0.4, 0.5]
PLAIN = GeneralisedAdvantage(whiten="none")


def one(rewards, values, segments=None, pooling=None, forced=0) -> Rewarded:
    token_rewards = torch.tensor([rewards], dtype=torch.float64)
    mask = torch.ones_like(token_rewards, dtype=torch.bool)
    return Rewarded(
        token_rewards,
        torch.tensor([values], dtype=torch.float64),
        mask,
        mask & (torch.arange(len(rewards)) >= forced),
        torch.zeros(1, dtype=torch.long),
        None if segments is None else torch.tensor([segments]),
        pooling or MacroPooling(),
    )


def scored(totals, groups) -> Rewarded:
    """Two tokens a response; the reward is split between them, padding is garbage."""
    rewards = torch.tensor([[0.25 * total, 0.75 * total, torch.nan] for total in totals])
    mask = torch.tensor([[True, True, False]]).expand(len(totals), 3)
    return Rewarded(rewards, rewards * torch.nan, mask, mask, torch.tensor(groups))


def slow_gae(rewards, values, discount, gae_lambda):
    advantages, ahead, following = [], 0.0, 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        following = reward + discount * ahead - value + discount * gae_lambda * following
        ahead = value
        advantages.insert(0, following)
    return advantages


def batches():
    return st.tuples(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(0, 2**31))


def drawn(lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    rewards = torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    values = torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    return mask, rewards.where(mask, torch.nan), values.where(mask, torch.inf)


@given(batches(), st.floats(0.1, 1.0), st.floats(0.0, 1.0))
def test_gae_is_the_slow_loop_and_reads_no_padding(batch, discount, gae_lambda):
    lengths, _ = batch
    mask, rewards, values = drawn(*batch)
    advantages, returns = gae(rewards, values, mask, discount, gae_lambda)
    for row, length in enumerate(lengths):
        real = values[row, :length].tolist()
        expected = slow_gae(rewards[row, :length].tolist(), real, discount, gae_lambda)
        assert advantages[row, :length].tolist() == pytest.approx(expected, abs=1e-9)
        assert returns[row, :length].tolist() == pytest.approx(
            [a + v for a, v in zip(expected, real, strict=True)], abs=1e-9
        )
    assert (advantages[~mask] == 0.0).all()
    assert (returns[~mask] == 0.0).all()


@given(batches(), st.sampled_from(["equal", "last", "position"]), st.sampled_from(["sum", "mean"]))
def test_macro_actions_of_one_token_are_textbook_gae_exactly(batch, values_pooling, rewards_pooling):
    mask, rewards, values = drawn(*batch)
    groups = torch.zeros(len(mask), dtype=torch.long)
    segments = torch.arange(7).where(mask, -1)
    pooling = MacroPooling(rewards=rewards_pooling, values=values_pooling)
    textbook, _ = PLAIN.estimate(Rewarded(rewards, values, mask, mask, groups), {})
    macro, _ = PLAIN.estimate(Rewarded(rewards, values, mask, mask, groups, segments, pooling), {})
    assert torch.equal(textbook.advantages, macro.advantages)
    assert torch.equal(textbook.returns, macro.returns)


@pytest.mark.parametrize(
    ("segments", "rewards", "advantages"),
    [
        (None, "sum", [0.756261, 0.696064, 0.637962, 0.555750, 0.485]),
        ([0, 0, 1, 1, 2], "sum", [0.769962, 0.769962, 0.615750, 0.615750, 0.485]),
        ([0, 0, 1, 1, 3], "mean", [0.729452, 0.729452, 0.565212, 0.565212, 0.485]),
        ([0, 0, 0, 0, 0], "sum", [0.675] * 5),
        ([0, 0, 0, 0, 1], "mean", [0.708250, 0.708250, 0.708250, 0.708250, 0.485]),
    ],
)
def test_ma_rlhf_advantages_of_the_card(segments, rewards, advantages):
    found, _ = PLAIN.estimate(one(MA_REWARDS, MA_VALUES, segments, MacroPooling(rewards=rewards)), {})
    assert found.advantages[0].tolist() == pytest.approx(advantages, abs=1e-6)


def test_ma_rlhf_returns_of_the_card():
    found, _ = PLAIN.estimate(one(MA_REWARDS, MA_VALUES, [0, 0, 1, 1, 2]), {})
    assert found.returns[0].tolist() == pytest.approx([0.919962, 0.919962, 0.965750, 0.965750, 0.985], abs=1e-6)


def test_par_advantages_and_monte_carlo_returns_of_the_card():
    rewarded = one([-0.001, -0.0005, 0.606358], [0.3, 0.4, 0.5])
    found, _ = GeneralisedAdvantage(whiten="none", returns="monte_carlo").estimate(rewarded, {})
    assert found.advantages[0].tolist() == pytest.approx([0.289513, 0.200540, 0.106358], abs=1e-6)
    assert found.returns[0].tolist() == pytest.approx([0.604858, 0.605858, 0.606358], abs=1e-6)
    found, _ = GeneralisedAdvantage(returns="monte_carlo").estimate(rewarded, {})
    assert found.advantages[0].tolist() == pytest.approx([1.212969, 0.023219, -1.236188], abs=1e-5)


def test_whitening_counts_forced_tokens_only_if_asked():
    rewarded = one([0.0, 0.0, 1.0, -1.0], [0.5, 0.1, 0.0, 0.3], forced=2)
    sampled, _ = GeneralisedAdvantage(whiten="trainable").estimate(rewarded, {})
    every, _ = GeneralisedAdvantage(whiten="all_tokens").estimate(rewarded, {})
    assert sampled.advantages[0, :2].tolist() == [0.0, 0.0]
    assert sampled.advantages[0, 2:].sum().item() == pytest.approx(0.0, abs=1e-6)
    assert every.advantages.sum().item() == pytest.approx(0.0, abs=1e-6)
    assert torch.equal(sampled.returns, every.returns)


def test_leave_one_out_compares_with_the_others_whatever_their_order():
    found, state = LeaveOneOut().estimate(scored([1.0, 10.0, 2.0, 20.0, 6.0], [7, 3, 7, 3, 7]), {})
    assert found.advantages[:, 0].tolist() == pytest.approx([-3.0, -10.0, -1.5, 10.0, 4.5], abs=1e-5)
    assert torch.equal(found.advantages[:, 0], found.advantages[:, 1])
    assert (found.advantages[:, 2] == 0.0).all()
    assert found.returns[:, 0].tolist() == pytest.approx([1.0, 10.0, 2.0, 20.0, 6.0])
    assert state == {}


@pytest.mark.parametrize(
    ("scale", "expected"), [("sample", [-1.0, 1.0, 0.0]), ("population", [-1.2247, 1.2247, 0.0]), ("none", [-2, 2, 0])]
)
def test_group_normalised_divides_by_the_chosen_deviation(scale, expected):
    found, _ = GroupNormalised(scale=scale).estimate(scored([1.0, 5.0, 3.0], [0, 0, 0]), {})
    assert found.advantages[:, 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_ui_s1_step_advantages_of_the_card():
    rewarded = scored([1.5, 1.0, 0.55, 1.875, 9.0], [0, 0, 0, 0, 1])
    found, _ = GroupNormalised(lone="zero").estimate(rewarded, {})
    expected = [0.464509, -0.399694, -1.177476, 1.112661, 0.0]
    assert found.advantages[:, 0].tolist() == pytest.approx(expected, abs=1e-5)


@given(st.floats(-10.0, 10.0, width=32), st.integers(2, 9))
def test_equal_rewards_of_a_group_are_worth_nothing_however_small_epsilon_is(reward, size):
    rewards = torch.full((size, 1), reward)
    mask = torch.ones_like(rewards, dtype=torch.bool)
    rewarded = Rewarded(rewards, rewards, mask, mask, torch.zeros(size, dtype=torch.long))
    found, _ = GroupNormalised(epsilon=1e-8).estimate(rewarded, {})
    assert found.advantages.abs().max().item() < 1e-5


@given(st.integers(0, 2**31), st.integers(2, 5))
def test_advantages_of_a_group_sum_to_zero(seed, size):
    totals = torch.randn(3 * size, generator=torch.Generator().manual_seed(seed)).tolist()
    groups = [0, 1, 2] * size
    for estimator in (LeaveOneOut(), GroupNormalised(), BatchBaseline()):
        found, _ = estimator.estimate(scored(totals, groups), {})
        assert found.advantages[:, 0].sum().item() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("estimator", [LeaveOneOut(), GroupNormalised()])
def test_the_only_response_to_a_prompt_is_refused(estimator):
    with pytest.raises(UserError, match=r"1 of 3 responses .*first: group 5.*per_prompt"):
        estimator.estimate(scored([1.0, 2.0, 3.0], [4, 5, 4]), {})


def test_cgpo_coefficients_of_the_card():
    found, _ = BatchBaseline().estimate(scored([0.497967, 0.0, 0.295836, 0.0], [0, 1, 2, 3]), {})
    assert found.advantages[:, 1].tolist() == pytest.approx([0.299517, -0.198451, 0.097385, -0.198451], abs=1e-6)


def test_a_running_baseline_starts_with_its_own_mean_and_then_looks_back():
    estimator = RunningBaseline()
    first, state = estimator.estimate(scored([1.0, 3.0], [0, 1]), {})
    assert first.advantages[:, 0].tolist() == pytest.approx([-1.0, 1.0])
    assert state == {"mean": 2.0, "weight": 2.0}
    second, state = estimator.estimate(scored([5.0, 5.0], [0, 1]), state)
    assert second.advantages[:, 0].tolist() == pytest.approx([3.0, 3.0])
    assert state == pytest.approx({"mean": 3.5, "weight": 4.0})
    with_own, _ = RunningBaseline(includes_current=True).estimate(
        scored([5.0, 5.0], [0, 1]), {"mean": 2.0, "weight": 2.0}
    )
    assert with_own.advantages[:, 0].tolist() == pytest.approx([1.5, 1.5])
    _, faded = RunningBaseline(memory=0.5).estimate(scored([5.0, 5.0], [0, 1]), {"mean": 2.0, "weight": 2.0})
    assert faded == pytest.approx({"mean": 4.0, "weight": 3.0})


def test_every_estimator_can_be_chosen_by_its_kind():
    adapter = TypeAdapter(AdvantageEstimator)
    for kind in ("gae", "leave_one_out", "group_normalised", "batch_baseline", "running_baseline"):
        assert adapter.validate_python({"kind": kind}).kind == kind
