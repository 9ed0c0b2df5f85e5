"""Which responses are compared: the papers' numbers, and what holds for any preferences."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.policy.fresh.choices import (
    BestOther,
    BestWorst,
    FirstTwo,
    RandomTwo,
    RankedPairs,
    Tournament,
    WholeGroup,
)
from tasks.policy.fresh.judging import preferences
from tasks.policy.fresh.settings import FreshPairs

PAIRED = [
    FirstTwo(), BestWorst(), BestOther(other="second"), BestOther(other="random"), RandomTwo(), Tournament(),
    RankedPairs(rule="halves"), RankedPairs(rule="adjacent"), RankedPairs(rule="all"),
]  # fmt: skip
REWARDS = st.lists(st.integers(-3, 3).map(float), min_size=8, max_size=8)


def ranked(rewards: list[float]) -> list[int]:
    return sorted(range(len(rewards)), key=lambda place: (-rewards[place], place))


def chosen(choice, rewards: list[float], seed: int = 0) -> list[tuple[int, int]]:
    wins = preferences(np.array(rewards), 0.0)
    return choice.pairs(wins, ranked(rewards), np.random.default_rng(seed))


@given(REWARDS, st.sampled_from(PAIRED), st.integers(0, 9))
def test_pairs_are_two_of_the_responses_and_no_more_than_said(rewards, choice, seed):
    choice.require(len(rewards))
    pairs = chosen(choice, rewards, seed)
    assert len(pairs) <= choice.rows(len(rewards))
    for pair in pairs:
        assert len(set(pair)) == 2
        assert set(pair) <= set(range(len(rewards)))
    assert pairs == chosen(choice, rewards, seed)
    if not isinstance(choice, Tournament):
        assert len(pairs) == choice.rows(len(rewards))


@given(REWARDS, st.integers(0, 9))
def test_the_first_of_a_ranked_pair_is_never_the_worse(rewards, seed):
    for choice in PAIRED:
        if not isinstance(choice, FirstTwo | RandomTwo):
            assert all(rewards[first] >= rewards[second] for first, second in chosen(choice, rewards, seed))


@given(REWARDS)
def test_best_and_worst_are_the_extremes_and_ties_go_to_the_first(rewards):
    ((best, worst),) = chosen(BestWorst(), rewards)
    assert best == int(np.argmax(rewards))
    assert rewards[worst] == min(rewards)


def test_best_against_second_and_against_every_lower_one():
    rewards = [0.1, 0.9, 0.5, 0.7]
    assert chosen(BestOther(other="second"), rewards) == [(1, 3)]
    assert {chosen(BestOther(other="random"), rewards, seed)[0] for seed in range(40)} == {(1, 3), (1, 2), (1, 0)}
    assert {frozenset(chosen(RandomTwo(), rewards, seed)[0]) for seed in range(80)} == {
        frozenset(pair) for pair in combinations(range(4), 2)
    }


def test_ranked_pairs_by_rule():
    rewards = [0.1, 0.9, 0.5, 0.7]
    assert chosen(RankedPairs(rule="halves"), rewards) == [(1, 2), (3, 0)]
    assert chosen(RankedPairs(rule="adjacent"), rewards) == [(1, 3), (3, 2), (2, 0)]
    assert chosen(RankedPairs(rule="all"), rewards) == [(1, 3), (1, 2), (1, 0), (3, 2), (3, 0), (2, 0)]


class Counted:
    """Preferences that remember which of them were asked for."""

    def __init__(self, wins: np.ndarray) -> None:
        self.wins, self.asked = wins, set()

    def __getitem__(self, pair: tuple[int, int]) -> float:
        self.asked.add(frozenset(pair))
        return float(self.wins[pair])


@pytest.mark.parametrize("count", [4, 8, 16])
@given(st.integers(0, 99))
def test_a_tournament_takes_three_halves_of_k_less_one_comparisons(count, seed):
    """INPO, appendix B: 11 comparisons of 8 responses, and of strict preferences the champion is the best."""
    rewards = np.random.default_rng(seed).permutation(count).astype(float)
    wins = Counted(preferences(rewards, 0.0))
    pairs = Tournament().pairs(wins, ranked(rewards.tolist()), np.random.default_rng(0))
    ((champion, last),) = pairs
    assert (champion, last) == (int(rewards.argmax()), int(rewards.argmin()))
    met_before = champion // 2 == last // 2
    assert len(wins.asked) + met_before == 3 * count // 2 - 1


def test_a_tournament_keeps_its_pair_only_if_the_champion_wins():
    """0 beats 1 and 2; 3 beats 2; the loser 1 comes last and, intransitive, beats the champion 0."""
    wins = np.full((4, 4), 0.5)
    for winner, loser in ((0, 1), (3, 2), (0, 3), (2, 1)):
        wins[winner, loser], wins[loser, winner] = 0.9, 0.1
    rng = np.random.default_rng(0)
    assert Tournament().pairs(wins, [0, 1, 2, 3], rng) == [(0, 1)]
    wins[0, 1], wins[1, 0] = 0.5, 0.5
    assert Tournament().pairs(wins, [0, 1, 2, 3], rng) == []
    upset = np.full((4, 4), 0.5)
    for winner, loser in ((1, 0), (3, 2), (1, 3), (2, 0)):
        upset[winner, loser], upset[loser, winner] = 0.9, 0.1
    assert Tournament().pairs(upset, [0, 1, 2, 3], rng) == [(1, 0)]


def test_ties_of_a_tournament_go_to_the_first():
    """All equal but the last match: 0 meets 2 among winners, 1 meets 3 among losers, 0 meets 3."""
    wins = np.full((4, 4), 0.5)
    wins[0, 3], wins[3, 0] = 0.8, 0.2
    assert Tournament().pairs(wins, [0, 1, 2, 3], np.random.default_rng(0)) == [(0, 3)]
    assert chosen(Tournament(), [1.0] * 4) == []


@pytest.mark.parametrize(
    ("choice", "per_prompt", "message"),
    [
        (Tournament(), 6, "tournament wants 4, 8, 16 ... responses a prompt, per_prompt is 6"),
        (Tournament(), 2, "tournament wants"),
        (RankedPairs(), 3, "wants an even per_prompt, it is 3"),
    ],
)
def test_choices_refuse_a_number_of_responses_that_does_not_do(choice, per_prompt, message):
    with pytest.raises(ValidationError, match=message):
        FreshPairs(choice=choice, per_prompt=per_prompt)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_prompt": 3, "temperatures": [1.0, 0.7]}, "per_prompt 3 cannot be shared out equally in 2 parts"),
        ({"per_prompt": 6, "temperatures": [1.0, 0.7], "behaviour": "mixed"}, "equally in 4 parts"),
        ({"decoding": {"temperature": 0.7}}, "decoding.temperature 0.7 has no say here; put it in temperatures"),
        ({"temperatures": [0.0]}, "greater than or equal to 0.01"),
    ],
)
def test_responses_must_be_shared_out(settings, message):
    with pytest.raises(ValidationError, match=message):
        FreshPairs.model_validate(settings)


def test_a_round_has_prompts_for_its_batches():
    assert FreshPairs().prompts_a_round(32) == 32
    assert FreshPairs(refresh_every_steps=10, passes=2).prompts_a_round(32) == 160
    assert FreshPairs(per_prompt=8, choice=RankedPairs()).prompts_a_round(32) == 8
    assert FreshPairs(per_prompt=4, choice=WholeGroup()).prompts_a_round(32) == 32
    assert FreshPairs(refresh_every_steps=10).prompts_a_round(32, steps=3) == 96
