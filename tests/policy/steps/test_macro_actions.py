import pytest
import torch

from tasks.policy.steps.macro_actions import (
    MacroPooling,
    action_lengths,
    action_mask,
    pool_steps,
    spread_to_tokens,
)

REWARDS = torch.tensor([[-0.005, -0.01, 0.01, -0.005, 0.985, torch.nan]], dtype=torch.float64)
VALUES = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, torch.inf]], dtype=torch.float64)
PAIRS = torch.tensor([[0, 0, 1, 1, 2, -1]])
OFFICIAL = torch.tensor([[0, 0, 1, 1, 3, -1]])


def test_paper_form_of_the_card():
    steps = pool_steps(REWARDS, VALUES, PAIRS, MacroPooling())
    assert steps.rewards[0].tolist() == pytest.approx([-0.015, 0.005, 0.985])
    assert steps.values[0].tolist() == pytest.approx([0.15, 0.35, 0.5])
    assert steps.mask.all()


def test_a_number_without_tokens_is_a_step_without_reward_and_value():
    steps = pool_steps(REWARDS, VALUES, OFFICIAL, MacroPooling(rewards="mean"))
    assert steps.rewards[0].tolist() == pytest.approx([-0.0075, 0.0025, 0.0, 0.985])
    assert steps.values[0].tolist() == pytest.approx([0.15, 0.35, 0.0, 0.5])
    assert steps.mask.tolist() == [[True, True, True, True]]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("equal", 0.25), ("last", 0.4), ("position", (0.1 / 4 + 0.2 / 3 + 0.3 / 2 + 0.4) / (1 / 4 + 1 / 3 + 1 / 2 + 1))],
)
def test_value_of_an_action_of_four_tokens(pooling, expected):
    segments = torch.tensor([[0, 0, 0, 0, 1, -1]])
    steps = pool_steps(REWARDS, VALUES, segments, MacroPooling(values=pooling))
    assert steps.values[0].tolist() == pytest.approx([expected, 0.5])


def test_rows_of_different_lengths_keep_apart():
    segments = torch.tensor([[0, 1, 1, 2], [0, 0, -1, -1], [-1, -1, -1, -1]])
    rewards = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, torch.nan, torch.nan], [torch.nan] * 4])
    steps = pool_steps(rewards, rewards, segments, MacroPooling(values="last"))
    assert steps.rewards.tolist() == [[1.0, 5.0, 4.0], [11.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert steps.values.tolist() == [[1.0, 3.0, 4.0], [6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert steps.mask.tolist() == action_mask(segments).tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert action_lengths(segments).tolist() == [[1, 2, 1], [2, 0, 0], [0, 0, 0]]
    spread = spread_to_tokens(steps.rewards, segments)
    assert spread.tolist() == [[1.0, 5.0, 5.0, 4.0], [11.0, 11.0, 0.0, 0.0], [0.0] * 4]


@pytest.mark.parametrize("values", ["equal", "last", "position"])
@pytest.mark.parametrize("rewards", ["sum", "mean"])
def test_actions_of_one_token_are_the_tokens_bit_for_bit(rewards, values):
    numbers, others = torch.randn(3, 7), torch.randn(3, 7)
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    segments = torch.arange(7).where(mask, -1)
    steps = pool_steps(numbers, others, segments, MacroPooling(rewards=rewards, values=values))
    assert torch.equal(steps.rewards, numbers.where(mask, 0.0))
    assert torch.equal(steps.values, others.where(mask, 0.0))
    assert torch.equal(steps.mask, mask)
