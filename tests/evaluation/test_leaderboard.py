import numpy as np
import pytest

from tasks.evaluation.leaderboard import leaderboard, with_win_rates
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.statistics.estimates import estimate

RNG = np.random.default_rng(0)
VALUES = {
    (arm, metric): center + spread * RNG.normal(size=(3, 30))
    for arm, metric, center, spread in (
        ("sft", "gold_reward", 0.7, 1.0),
        ("dpo", "gold_reward", 1.6, 1.0),
        ("demonstrations", "gold_reward", 2.5, 1.0),
        ("sft", "kl", 0.0, 0.0),
        ("dpo", "kl", 2.0, 0.5),
    )
}
SCORES = concat_scores(
    [
        score_rows(
            paper="dpo",
            arm=arm,
            seed=seed,
            suite="tldr",
            metric=metric,
            values={f"p{i}": float(v) for i, v in enumerate(row)},
        )
        for (arm, metric), table in VALUES.items()
        for seed, row in enumerate(table)
    ]
)


def test_one_row_an_arm_best_first_with_intervals():
    table = leaderboard(SCORES, "tldr")
    assert table["arm"].tolist() == ["demonstrations", "dpo", "sft"]
    dpo = table.set_index("arm").loc["dpo"]
    expected = estimate(VALUES["dpo", "gold_reward"])
    found = (dpo["gold_reward"], dpo["gold_reward_low"], dpo["gold_reward_high"])
    assert found == pytest.approx((expected.mean, expected.low, expected.high))
    assert (dpo["n_seeds"], dpo["n_prompts"]) == (3, 30)


def test_win_rates_against_both_baselines_are_in_it():
    table = leaderboard(SCORES, "tldr").set_index("arm")
    by_hand = (VALUES["dpo", "gold_reward"] > VALUES["sft", "gold_reward"]).mean()
    assert table.loc["dpo", "win_rate_vs_sft"] == pytest.approx(by_hand)
    assert table.loc["dpo", "win_rate_vs_demonstrations"] < 0.5
    assert np.isnan(table.loc["sft", "win_rate_vs_sft"])
    assert np.isnan(table.loc["demonstrations", "kl"])


def test_metrics_pick_and_order_the_columns():
    table = leaderboard(SCORES, "tldr", metrics=["kl", "gold_reward"])
    assert table.columns.tolist()[3:] == [
        "kl",
        "kl_low",
        "kl_high",
        "gold_reward",
        "gold_reward_low",
        "gold_reward_high",
    ]
    assert table["arm"].tolist()[0] == "dpo"


def test_a_baseline_that_was_not_scored_adds_no_column():
    table = leaderboard(SCORES, "tldr", baselines=["ppo"])
    assert not [column for column in table.columns if "win_rate" in column]
    assert len(with_win_rates(SCORES, "tldr", ["ppo"])) == len(SCORES)


def test_an_arm_that_always_wins_is_not_certain_to():
    best = SCORES[(SCORES["arm"] == "dpo") & (SCORES["metric"] == "gold_reward")].assign(arm="best")
    best["value"] += 100.0
    row = leaderboard(concat_scores([SCORES, best]), "tldr").set_index("arm").loc["best"]
    assert row["win_rate_vs_sft"] == row["win_rate_vs_sft_high"] == 1.0
    assert 0.85 < row["win_rate_vs_sft_low"] < 0.95
