"""R^2 of filters: the card's numbers, the jackknife against leaving prompts out by hand, and what filters do to it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.tables import read_scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.collecting import named
from tasks.evaluation.filter_reliability import (
    Binning,
    bin_places,
    by_prompt,
    filter_reliability,
    measure_filter_reliability,
    weighted_r2,
)
from tasks.evaluation.scores import align, concat_scores
from tasks.policy.steps.filter_choice import best_filter, choose_filter
from tasks.policy.steps.filters import KeepAll, PowerReweight, RandomSubset, RankWeights, Threshold
from tasks.reward.scoring import store_rewards

BEST, BR, BW = (RankWeights(scheme=scheme) for scheme in ("best_of_n", "best_random", "best_worst"))
FILTERS = {"none": KeepAll(), "random": RandomSubset(), "best": BEST, "br": BR, "bw": BW}


def wrong_in_the_middle(prompts=300, samples=10, seed=0):
    """Rewards in (-1, 1), and true scores that they misjudge systematically unless they are extreme."""
    rng = np.random.default_rng(seed)
    rewards = np.tanh(rng.normal(size=(prompts, samples)))
    return rewards, rewards + 0.8 * (1.0 - rewards**2) * np.sin(9.0 * rewards) + 0.3 * rng.normal(size=rewards.shape)


@pytest.mark.parametrize(("weights", "expected"), [([1.0] * 5, 0.635563), ([0.5, 0.1, 0.1, 0.1, 0.5], 0.901796)])
def test_the_card_s_bins(weights, expected):
    found = weighted_r2([-2.0, -1.0, 0.0, 1.0, 2.0], [0.0, 0.5, 0.2, 0.4, 1.0], weights)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(*[st.integers(-50, 50)] * 2, st.integers(0, 3)), min_size=1, max_size=9))
def test_weights_count_repeated_points(points):
    reward, gold, times = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    found = weighted_r2(reward, gold, times)
    x, y = (np.repeat(values, times.astype(int)) for values in (reward, gold))
    if (times > 0).sum() < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        assert math.isnan(found)
    else:
        residual = y - np.polyval(np.polyfit(x, y, 1), x)
        assert found == pytest.approx(1.0 - residual @ residual / ((y - y.mean()) @ (y - y.mean())), abs=1e-6)
        assert 0.0 <= found <= 1.0


def test_bins_have_equal_width_and_hold_every_reward():
    assert bin_places(np.array([[-1.0, -0.51, 0.0], [0.49, 0.5, 1.0]]), 4).tolist() == [[0, 0, 2], [2, 3, 3]]
    with pytest.raises(UserError, match="every response has the reward 2"):
        bin_places(np.full((2, 2), 2.0), 4)


def test_r2_is_the_fit_through_the_bins_means():
    rewards, gold = wrong_in_the_middle(40)
    place = bin_places(rewards, 20)
    means = pd.DataFrame({"place": place.ravel(), "reward": rewards.ravel(), "gold": gold.ravel()}).groupby("place")
    slow = weighted_r2(means["reward"].mean(), means["gold"].mean(), means.size())
    found = filter_reliability(rewards, gold, KeepAll(), Binning(draws=1))
    assert found.r2 == pytest.approx(float(slow))
    assert found.bins["responses"].sum() == rewards.size
    assert found.bins["gold"].tolist() == pytest.approx(means["gold"].mean().tolist())
    assert found.kept.tolist() == [1.0] * 40


def test_pseudo_values_are_those_of_leaving_each_prompt_out():
    rewards, gold = wrong_in_the_middle(12, 6)
    rewards[0, 0], rewards[0, 1], rewards[1, 0], rewards[1, 1] = -3.0, 3.0, -3.0, 3.0
    found = filter_reliability(rewards, gold, KeepAll(), Binning(bins=8, draws=3))
    for prompt in range(12):
        rest = np.delete(np.arange(12), prompt)
        without = filter_reliability(rewards[rest], gold[rest], KeepAll(), Binning(bins=8, draws=1)).r2
        assert found.pseudo_values[prompt] == pytest.approx(12 * found.r2 - 11 * without)


def test_filters_order_as_the_paper_says_where_the_middle_is_wrong():
    rewards, gold = wrong_in_the_middle()
    r2 = {name: filter_reliability(rewards, gold, chosen).r2 for name, chosen in FILTERS.items()}
    assert r2["bw"] > r2["br"] > r2["none"] > r2["best"]
    assert abs(r2["random"] - r2["none"]) < 0.05
    assert best_filter(r2, FILTERS) == "bw"


def test_jackknife_error_is_the_spread_over_new_data():
    found = [
        filter_reliability(*wrong_in_the_middle(100, seed=seed), KeepAll(), Binning(draws=1)) for seed in range(60)
    ]
    spread = np.std([one.r2 for one in found])
    foretold = np.mean([one.pseudo_values.std() / 10.0 for one in found])
    assert foretold == pytest.approx(spread, rel=0.5)


def test_a_perfect_reward_has_r2_one_under_every_filter():
    _, gold = wrong_in_the_middle(50)
    for chosen in (*FILTERS.values(), PowerReweight()):
        found = filter_reliability(2.0 * gold + 1.0, gold, chosen)
        assert found.r2 == pytest.approx(1.0)
        assert found.pseudo_values == pytest.approx(np.ones(50))


def test_a_filter_that_leaves_nothing_has_no_r2():
    found = filter_reliability(*wrong_in_the_middle(5), Threshold(scheme="top", upper=50.0))
    assert math.isnan(found.r2)
    assert np.isnan(found.pseudo_values).all()
    assert found.kept.tolist() == [0.0] * 5
    assert found.bins.empty


def rewards_table(prompts=30, samples=5):
    rewards, gold = wrong_in_the_middle(prompts, samples)
    identity = [(f"p{prompt:02}", sample) for prompt in range(prompts) for sample in range(samples)]
    table = pd.DataFrame(identity, columns=["prompt_id", "sample"])
    return table.assign(reward=rewards.ravel(), gold_reward=gold.ravel())


def test_scores_are_one_a_prompt_and_choose_the_filter(rlhf_home, tmp_path):
    nothing = {"nothing": Threshold(scheme="top", upper=50.0)}
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        shuffled = rewards_table().sample(frac=1.0, random_state=1)
        scores = measure_filter_reliability(store_rewards(shuffled), FILTERS | nothing, seed=3)
    table = read_scores(scores)
    assert list(table.columns) == ["prompt_id", "metric", "value", "point"]
    r2 = table[table["metric"] == "filter_r2"]
    assert set(r2["point"]) == set(FILTERS)
    assert r2.groupby("point")["prompt_id"].nunique().tolist() == [30] * len(FILTERS)
    kept = table[table["metric"] == "filter_kept"].groupby("point")["value"].mean().to_dict()
    assert kept == pytest.approx({"none": 1.0, "random": 0.4, "best": 0.2, "br": 0.4, "bw": 0.4, "nothing": 0.0})
    means = r2[r2["point"] != "best"].groupby("point")["value"].mean()
    assert choose_filter(scores, FILTERS) == means.idxmax()
    assert "filter_reliability.json" in (tmp_path / "run.jsonl").read_text()


def test_filters_are_compared_over_seeds_that_have_prompts_of_their_own(rlhf_home, tmp_path):
    frames = []
    for seed in (0, 1):
        table = rewards_table()
        table["prompt_id"] = f"seed-{seed}-" + table["prompt_id"]
        with stage_tracker(tmp_path / f"{seed}.jsonl", tmp_path / f"work-{seed}"):
            found = measure_filter_reliability(store_rewards(table), FILTERS, seed)
        frames.append(named(read_scores(found), "pf_ppo", "sft", seed, "reliability"))
    series = [("sft@br", "filter_r2"), ("sft@bw", "filter_r2")]
    (one, other), left_out = align(concat_scores(frames), "reliability", series)
    assert one.shape == other.shape == (2, 30)
    assert not left_out


def test_rewards_are_read_by_prompt_and_sample():
    table = rewards_table()
    rewards, gold = by_prompt(table.sample(frac=1.0, random_state=2))
    assert rewards.ravel().tolist() == table["reward"].tolist()
    assert gold.ravel().tolist() == table["gold_reward"].tolist()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.assign(gold_reward=math.nan), "150 of 150 responses have no gold reward"),
        (lambda table: table.drop(index=0), "equally many responses a prompt, these are 4 to 5"),
    ],
)
def test_what_cannot_be_measured_is_named(spoil, message):
    with pytest.raises(UserError, match=message):
        by_prompt(spoil(rewards_table()))
