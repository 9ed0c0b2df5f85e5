"""Filters: the weights of PF-PPO's card, which rows survive, and what ties do."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tasks.engine.schema import UserError
from tasks.policy.steps.drawing import draw_by_inclusion
from tasks.policy.steps.filters import (
    Filter,
    KeepAll,
    PowerReweight,
    RandomSubset,
    RankWeights,
    Threshold,
    keep_or_all,
)

REWARDS = torch.tensor([2.0, 1.0, 0.0, -0.5, -2.0], dtype=torch.float64)
POWERED = torch.tensor([-0.8, -0.1, 0.2, 0.6, 0.9], dtype=torch.float64)
BEST, BR, BW = (RankWeights(scheme=scheme) for scheme in ("best_of_n", "best_random", "best_worst"))
ONE_GROUP = torch.zeros(5, dtype=torch.int64)
EVERY = [KeepAll(), RandomSubset(), BEST, BR, BW, Threshold(), PowerReweight()]


def kept(chosen, scores, groups, seed=0):
    return chosen.keep(torch.as_tensor(scores), torch.as_tensor(groups), np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize(("chosen", "expected"), [(KeepAll(), 0.1), (BEST, 2.0), (BR, 0.8125), (BW, 0.0)])
def test_expected_reward_of_the_card(chosen, expected):
    assert float(chosen.weights(REWARDS) @ REWARDS) == pytest.approx(expected, abs=1e-9)


def test_weights_of_best_and_random():
    assert BR.weights(REWARDS).tolist() == pytest.approx([0.5, 0.125, 0.125, 0.125, 0.125])


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1.0, [0.307692, 0.038462, 0.076923, 0.230769, 0.346154]),
        (2.0, [0.344086, 0.005376, 0.021505, 0.193548, 0.435484]),
        (3.0, [0.349250, 0.000682, 0.005457, 0.147340, 0.497271]),
    ],
)
def test_power_weights_of_the_card(power, expected):
    assert PowerReweight(power=power).weights(POWERED).tolist() == pytest.approx(expected, abs=1e-6)


def test_rows_of_the_named_schemes():
    order = [3, 0, 4, 1, 2]
    scores, groups = REWARDS[order].repeat(2), torch.tensor([7] * 5 + [-1] * 5)
    assert kept(BEST, scores, groups) == [1, 6]
    assert kept(BW, scores, groups) == [1, 2, 6, 7]
    others = Counter(row for seed in range(2000) for row in kept(BR, REWARDS, ONE_GROUP, seed))
    assert others[0] == 2000
    assert all(abs(others[row] / 2000 - 0.25) < 0.05 for row in range(1, 5))


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=20),
    st.integers(0, 99),
    st.sampled_from(EVERY),
    st.randoms(use_true_random=False),
)
def test_kept_rows_exist_and_rise_and_repeat_only_when_said(groups, seed, chosen, random):
    scores = torch.tensor([random.choice([-2.0, -0.7, 0.1, 0.8, 1.5]) for _ in groups])
    rows = chosen.keep(scores, torch.tensor(groups), np.random.default_rng(seed))
    assert rows.dtype == torch.int64
    assert rows.tolist() == sorted(rows.tolist())
    assert all(0 <= row < len(groups) for row in rows.tolist())
    assert chosen.repeats or len(set(rows.tolist())) == len(rows)
    some, fell_back = keep_or_all(chosen, scores, torch.tensor(groups), np.random.default_rng(seed))
    assert len(some) > 0
    assert fell_back == (len(rows) == 0)
    assert some.tolist() == (list(range(len(groups))) if fell_back else rows.tolist())


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=9, unique=True), st.integers(0, 99))
def test_best_and_worst_are_the_extremes(rewards, seed):
    rows = kept(BW, [float(reward) for reward in rewards], [0] * len(rewards), seed)
    assert sorted(rewards[row] for row in rows) == [min(rewards), max(rewards)]


@pytest.mark.parametrize("chosen", [BR, RankWeights(scheme="own", own_weights=(0.4, 0.1, 0.05, 0.15, 0.3))])
def test_rows_are_kept_as_often_as_their_weight_says(chosen):
    counts = Counter(row for seed in range(4000) for row in kept(chosen, REWARDS, ONE_GROUP, seed))
    wanted = 2 * chosen.weights(REWARDS)
    assert [counts[row] / 4000 for row in range(5)] == pytest.approx(wanted.tolist(), abs=0.04)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.integers(0, 999))
def test_a_draw_has_as_many_as_the_probabilities_sum_to(inclusion, seed):
    drawn = draw_by_inclusion(np.array(inclusion), np.random.default_rng(seed))
    assert abs(len(drawn) - sum(inclusion)) < 1.0 + 1e-9
    assert len(set(drawn.tolist())) == len(drawn)
    assert {place for place, chance in enumerate(inclusion) if chance == 1.0} <= set(drawn.tolist())


def test_equal_rewards_are_dropped_by_best_and_worst_alone():
    scores, groups = [1.0, 1.0, 1.0, 0.0, 2.0, 1.0], [0, 0, 0, 1, 1, 1]
    assert kept(BW, scores, groups) == [3, 4]
    assert BW.weights(torch.ones(3)).tolist() == [0.0] * 3
    assert len(kept(BR, scores, groups)) == 4
    assert kept(BW, [1.0, 1.0], [0, 1]) == []


def test_tied_responses_share_rank_weights_and_are_ranked_at_random():
    tied = torch.tensor([1.0, 3.0, 3.0, 0.0, 0.0])
    assert BW.weights(tied).tolist() == [0.0, 0.25, 0.25, 0.25, 0.25]
    best = Counter(kept(BEST, tied, [0] * 5, seed)[0] for seed in range(400))
    assert set(best) == {1, 2}
    assert min(best.values()) > 150


def test_no_filter_draws_nothing():
    rng = np.random.default_rng(5)
    assert KeepAll().keep(REWARDS, ONE_GROUP, rng).tolist() == [0, 1, 2, 3, 4]
    assert rng.random() == np.random.default_rng(5).random()


def test_a_random_subset_takes_as_many_of_every_prompt():
    groups = [0, 1, 0, 1, 0, 2]
    rows = kept(RandomSubset(keep_per_group=2), [0.0] * 6, groups)
    assert Counter(groups[row] for row in rows) == {0: 2, 1: 2, 2: 1}
    counts = Counter(row for seed in range(2000) for row in kept(RandomSubset(), REWARDS, ONE_GROUP, seed))
    assert all(abs(counts[row] / 2000 - 0.4) < 0.05 for row in range(5))


def test_thresholds():
    scores = [-2.0, -0.5, 0.0, 0.5, 0.6]
    assert kept(Threshold(scheme="top"), scores, [0] * 5) == [4]
    assert kept(Threshold(scheme="top_bottom"), scores, [0] * 5) == [0, 4]
    rows = Counter(row for seed in range(1000) for row in kept(Threshold(scheme="top_random"), scores, [0] * 5, seed))
    assert rows[4] == 1000
    assert all(abs(rows[row] / 1000 - 0.5) < 0.06 for row in range(4))
    assert Threshold(scheme="top_random").weights(torch.tensor(scores)).tolist() == pytest.approx([1 / 6] * 4 + [1 / 3])
    assert kept(Threshold(scheme="top", upper=3.0), scores, [0] * 5) == []


def test_power_reweighting_draws_with_replacement():
    rows = kept(PowerReweight(power=2.0, drawn_share=800.0 / 100), POWERED.repeat(100), [0] * 500)
    counts = Counter(row % 5 for row in rows)
    assert len(rows) == 4000
    assert [counts[row] / 4000 for row in range(5)] == pytest.approx(
        PowerReweight().weights(POWERED).tolist(), abs=0.03
    )
    assert PowerReweight().weights(torch.zeros(4)).tolist() == [0.25] * 4


def test_own_weights_fit_the_group_or_are_named():
    own = RankWeights(scheme="own", own_weights=(0.5, 0.5))
    assert kept(own, [1.0, 2.0], [0, 0]) == [0, 1]
    with pytest.raises(UserError, match="2 ranks and a prompt has 5"):
        kept(own, REWARDS, ONE_GROUP)


@pytest.mark.parametrize(
    "settings",
    [
        {"scheme": "own"},
        {"scheme": "best_worst", "own_weights": (1.0,)},
        {"scheme": "own", "own_weights": (0.6, 0.6)},
        {"scheme": "own", "own_weights": (1.5, -0.5)},
    ],
)
def test_impossible_weights_are_refused(settings):
    with pytest.raises(ValidationError, match="own_weights"):
        RankWeights(**settings)


def test_thresholds_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match="lower must not be above upper"):
        Threshold(lower=1.0, upper=0.0)


def test_which_filters_never_show_a_bad_response():
    assert [chosen.one_sided for chosen in EVERY] == [False, False, True, False, False, False, False]
    assert RankWeights(scheme="own", own_weights=(0.5, 0.25, 0.25, 0.0, 0.0)).one_sided
    assert not RankWeights(scheme="own", own_weights=(0.5, 0.25, 0.0, 0.0, 0.25)).one_sided
    assert Threshold(scheme="top").one_sided


@pytest.mark.parametrize("chosen", EVERY, ids=lambda one: one.kind)
def test_settings_are_told_apart_by_kind(chosen):
    adapter: TypeAdapter = TypeAdapter(Filter)
    assert adapter.validate_json(adapter.dump_json(chosen)) == chosen
