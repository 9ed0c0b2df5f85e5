"""Duels, win matrix and ratings: against hand counts, the leave-one-out jackknife, and invariants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.tournament import (
    FIELD,
    RATING,
    SUITE,
    duel_table,
    duels_of,
    ratings_of,
    tournament_scores,
    win_matrix,
)


def scored(rewards: dict[str, np.ndarray]) -> pd.DataFrame:
    """Gold rewards by method, [seeds, prompts]."""
    rows = [
        ("tournament", arm, seed, "gold", f"p{prompt:03}", "gold_reward", float(values[seed, prompt]))
        for arm, values in rewards.items()
        for seed in range(values.shape[0])
        for prompt in range(values.shape[1])
    ]
    return pd.DataFrame(rows, columns=["paper", "arm", "seed", "suite", "prompt_id", "metric", "value"])


def noisy(means: dict[str, float], seeds: int = 2, prompts: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return scored({arm: mean + rng.normal(size=(seeds, prompts)) for arm, mean in means.items()})


def test_wins_are_counted_by_prompt_and_ties_halved():
    scores = scored({"sft": np.array([[0.0, 1.0, 2.0, 3.0]]), "dpo": np.array([[1.0, 1.0, 1.0, 4.0]])})
    duels = duels_of(scores, ["sft", "dpo"], "gold", "gold_reward")
    matrix = win_matrix(duels)
    assert list(matrix.index) == ["dpo", "sft"]
    assert matrix.loc["dpo", "sft"] == pytest.approx(2.5 / 4)
    assert (matrix + matrix.T).to_numpy() == pytest.approx(1.0)


def test_a_duel_is_decided_where_its_interval_and_all_others_allow():
    """Two equal methods never, a method a deviation better always; the winner comes first."""
    players = ["sft", "twin", "dpo"]
    duels = duels_of(noisy({"sft": 0.0, "twin": 0.0, "dpo": 1.0}, seeds=4), players, "gold", "gold_reward")
    table = duel_table(duels)
    assert list(table["p_value"]) == sorted(table["p_value"])
    found = table.set_index(["method", "opponent"])
    for opponent in ("sft", "twin"):
        row = found.loc[("dpo", opponent)]
        assert row["decided"]
        expected = estimate(duels.wins[2, players.index(opponent)], bounds=(0.0, 1.0))
        assert (row["win_rate"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    last = table.iloc[-1]
    assert {last["method"], last["opponent"]} == {"sft", "twin"}
    assert not last["decided"]
    assert last["low"] < 0.5 <= last["win_rate"] < last["high"]


def test_a_duel_alone_decided_is_not_decided_among_many():
    """p between 0.05 / 10 and 0.05: decided among two methods, not among five that are all equal."""
    rng = np.random.default_rng(3)
    rewards = {"sft": rng.normal(size=(1, 200)), "dpo": rng.normal(size=(1, 200))}
    rewards["dpo"][0, :115] = rewards["sft"][0, :115] + 1.0
    rewards["dpo"][0, 115:] = rewards["sft"][0, 115:] - 1.0
    two = duel_table(duels_of(scored(rewards), list(rewards), "gold", "gold_reward"))
    assert 0.005 < two["p_value"][0] < 0.05
    assert two["decided"][0]
    rewards |= {name: rng.normal(size=(1, 200)) for name in ("a", "b", "c")}
    many = duel_table(duels_of(scored(rewards), list(rewards), "gold", "gold_reward"))
    assert len(many) == 10
    assert not many[(many["method"] == "dpo") & (many["opponent"] == "sft")]["decided"].any()


def test_the_rating_of_two_is_the_log_odds_of_their_wins():
    scores = noisy({"sft": 0.0, "dpo": 0.5}, seeds=1)
    duels = duels_of(scores, ["sft", "dpo"], "gold", "gold_reward")
    share = duels.wins[1, 0].mean()
    expected = 1000 + 400 * np.log10(share / (1 - share))
    sft, dpo = ratings_of(duels, "sft").mean(axis=(1, 2))
    assert sft == pytest.approx(1000.0)
    assert dpo == pytest.approx(expected, abs=0.05)


def test_a_prompts_value_is_its_jackknife_pseudo_value():
    duels = duels_of(noisy({"sft": 0.0, "dpo": 0.5, "ppo": 1.0}, seeds=1), ["sft", "dpo", "ppo"], "gold", "gold_reward")
    values, count = ratings_of(duels, "sft")[:, 0], len(duels.prompts)
    for left_out in (0, 17, 90):
        fewer = duels._replace(
            wins=np.delete(duels.wins, left_out, axis=3),
            prompts=duels.prompts[:left_out] + duels.prompts[left_out + 1 :],
        )
        without = ratings_of(fewer, "sft").mean(axis=(1, 2))
        pseudo = count * values.mean(axis=1) - (count - 1) * without
        assert values[:, left_out] == pytest.approx(pseudo, rel=0.02, abs=3.0)


def test_scores_carry_ratings_with_intervals_and_field_win_rates():
    scores = noisy({"sft": 0.0, "dpo": 0.5, "ppo": 1.0}, seeds=3)
    duels = duels_of(scores, ["sft", "dpo", "ppo"], "gold", "gold_reward")
    table = concat_scores([scores, tournament_scores(scores, duels, "sft")])
    here = table[table["suite"] == SUITE]
    ratings = here[here["metric"] == RATING].groupby("arm")["value"].mean()
    assert ratings["sft"] == pytest.approx(1000.0)
    assert ratings["sft"] < ratings["dpo"] < ratings["ppo"]
    own = here[(here["metric"] == RATING) & (here["arm"] == "ppo")]
    found = estimate(own.pivot(index="seed", columns="prompt_id", values="value").to_numpy())
    assert 0.0 < found.high - found.low < 400.0
    field = here[here["metric"] == FIELD].groupby("arm")["value"].mean()
    assert field.mean() == pytest.approx(0.5)
    matrix = win_matrix(duels)
    assert field["ppo"] == pytest.approx((matrix.loc["ppo"].sum() - 0.5) / 2)


def test_a_method_that_wins_everything_has_a_finite_rating():
    scores = scored({"sft": np.zeros((2, 30)), "dpo": np.ones((2, 30))})
    ratings = ratings_of(duels_of(scores, ["sft", "dpo"], "gold", "gold_reward"), "sft")
    assert np.isfinite(ratings).all()
    assert ratings[1].mean() > 2000.0


@given(st.permutations(["sft", "dpo", "ppo"]))
def test_the_order_of_entry_changes_nothing(order):
    scores = noisy({"sft": 0.0, "dpo": 0.5, "ppo": 1.0}, prompts=40)
    entered = duels_of(scores, order, "gold", "gold_reward")
    usual = duels_of(scores, ["sft", "dpo", "ppo"], "gold", "gold_reward")
    ratings = dict(zip(order, ratings_of(entered, "sft"), strict=True))
    for name, values in zip(usual.players, ratings_of(usual, "sft"), strict=True):
        assert ratings[name] == pytest.approx(values, abs=1e-3)


def test_one_method_is_no_tournament():
    with pytest.raises(UserError, match="two methods or more"):
        duels_of(noisy({"sft": 0.0}), ["sft"], "gold", "gold_reward")
