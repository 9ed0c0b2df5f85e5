"""Figures draw what the scores hold; the page stands alone."""

import numpy as np
import pandas as pd
import pytest

from dashboards.figures import against_share_of_pairs, against_temperature, reward_kl_frontier
from dashboards.preference_figures import preference_figures
from dashboards.report import html_report, interval
from tasks.evaluation.leaderboard import leaderboard, with_win_rates


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    level = {"sft": 0.6, "dpo@50%": 1.0, "dpo": 1.5, "dpo@T0": 1.9, "sft@T0": 1.2, "demonstrations": 0.9, "ipo": 1.3}
    kl = {"sft": 0.0, "dpo@50%": 0.4, "dpo": 1.1, "ipo": 0.8}
    rows = [
        ("dpo", arm, seed, "gold", f"p{prompt}", metric, abs(value + rng.normal(0, 0.3)))
        for seed in range(3)
        for prompt in range(12)
        for metric, values in (("gold_reward", level), ("token_kl", kl))
        for arm, value in values.items()
    ]
    return pd.DataFrame(rows, columns=["paper", "arm", "seed", "suite", "prompt_id", "metric", "value"])


def test_the_frontier_runs_from_sft_through_the_checkpoints(scores):
    figure = reward_kl_frontier(scores, "gold")
    dpo = next(trace for trace in figure.data if trace.name == "dpo")
    assert list(np.round(dpo.x, 0)) == [0.0, 0.0, 1.0]
    assert list(dpo.y) == sorted(dpo.y)
    assert all(height > 0 for height in dpo.error_y.array)
    assert {trace.name for trace in figure.data} == {"dpo", "ipo"}


def test_temperature_and_budget_curves_hold_their_own_points_only(scores):
    full = with_win_rates(scores, "gold", ("demonstrations",))
    by_temperature = against_temperature(full, "gold", "win_rate_vs_demonstrations")
    assert {trace.name: list(trace.x) for trace in by_temperature.data} == {"dpo": [0.0, 1.0], "sft": [0.0, 1.0]}
    by_budget = against_share_of_pairs(full, "gold", "win_rate_vs_demonstrations")
    assert {trace.name: list(trace.x) for trace in by_budget.data} == {"dpo": [50.0, 100.0]}


def test_the_page_needs_no_network_and_escapes_text(scores):
    board = leaderboard(
        scores[~scores["arm"].str.contains("@")], "gold", ["gold_reward", "token_kl"], baselines=()
    ).assign(suite="gold")
    verdicts = pd.DataFrame(
        [
            {
                "statement": "a < b",
                "outcome": "supported",
                "effect": 0.6,
                "low": 0.5,
                "high": 0.7,
                "paper_value": "61 %",
                "tuned": "10 trials each: dpo",
            }
        ]
    )
    figures = [reward_kl_frontier(scores, "gold"), against_temperature(scores, "gold", "gold_reward")]
    page = html_report("DPO", verdicts, board, figures, "10 trials each: dpo")
    assert "a &lt; b" in page
    assert "0.6 [0.5, 0.7]" in page
    assert "10 trials each: dpo" in page
    assert "<script src=" not in page
    assert page.count("plotly-graph-div") == 2


def test_a_missing_number_is_a_dash():
    assert interval(float("nan"), 0.0, 1.0) == "–"


def test_all_checkpoints_are_drawn_by_where_their_data_comes_from(scores):
    full = with_win_rates(scores, "gold", ("sft",))
    (figure,) = preference_figures(full, ["gold"], {"dpo": "offline", "ipo": "online", "sft": "offline"})
    traces = {trace.name: trace for trace in figure.data}
    assert {name: len(trace.x) for name, trace in traces.items()} == {"online": 1, "offline": 2}
    assert set(traces["offline"].text) == {"dpo"}
    assert preference_figures(full, ["gold", "unscored"], {"dpo": "offline"}) == []


def test_accuracy_and_log_ratios_are_drawn_along_training(scores):
    pairs = [
        ("dpo", arm, seed, "pairs", f"p{prompt}", metric, value)
        for seed in range(2)
        for prompt in range(6)
        for arm, values in {"dpo@50%": (0.5, -1.0, -2.0), "dpo": (1.0, -2.0, -5.0)}.items()
        for metric, value in zip(("implicit_accuracy", "chosen_log_ratio", "rejected_log_ratio"), values, strict=True)
    ]
    both = pd.concat([with_win_rates(scores, "gold", ("sft",)), pd.DataFrame(pairs, columns=scores.columns)])
    ratios, accuracy = preference_figures(both, ["gold", "pairs"], {})
    assert {trace.name: list(trace.y) for trace in ratios.data} == {
        "dpo chosen": [-1.0, -2.0],
        "dpo rejected": [-2.0, -5.0],
    }
    (line,) = accuracy.data
    assert list(line.x) == [0.5, 1.0]
    assert list(line.text) == ["50 %", "100 %"]
