"""Reports on held-out pairs against numbers counted by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.reward.report import (
    accuracy_table,
    confidence,
    metrics_of,
    rank_correlation,
    reliability_table,
    report_reward,
    scored_pairs,
)
from tasks.reward.sources import FittedReward, GoldReward


def pairs_of(*rows: tuple[float, float, float, float], family: str = "x") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chosen", "rejected", "chosen_gold", "rejected_gold"], dtype=float)
    return table.assign(family=family)


TABLE = pd.concat(
    [
        pairs_of((2.0, 0.0, 3.0, 1.0), (1.0, 1.0, 2.0, 2.0), (0.0, 2.0, 1.0, 5.0)),
        pairs_of((3.0, 0.0, 0.0, 1.0), (1.0, 0.0, math.nan, math.nan), family="y"),
    ]
)


def test_metrics_counted_by_hand():
    found = metrics_of(TABLE)
    assert found["reward_accuracy"] == pytest.approx(3.5 / 5)
    assert found["reward_margin"] == pytest.approx((2 + 0 - 2 + 3 + 1) / 5)
    assert found["reward_gold_accuracy"] == pytest.approx(2 / 3)
    known = TABLE.dropna()
    scores, golds = known[["chosen", "rejected"]].values.ravel(), known[["chosen_gold", "rejected_gold"]].values.ravel()
    assert found["reward_gold_correlation"] == pytest.approx(spearmanr(scores, golds).statistic)


def test_without_gold_there_is_nothing_about_gold():
    assert set(metrics_of(pairs_of((1.0, 0.0, math.nan, math.nan)))) == {
        "reward_accuracy", "reward_margin", "reward_calibration_error",
    }  # fmt: skip


def test_slices_have_wilsons_intervals():
    table = accuracy_table(TABLE).set_index("slice")
    assert table.loc["all", "pairs"] == 5
    assert table.loc["family x", "accuracy"] == pytest.approx(0.5)
    assert table.loc["family y", "accuracy"] == 1.0
    assert table.loc["family y", "low"] == pytest.approx(0.342380, abs=1e-6)
    quartiles = [name for name in table.index if name.startswith("gold difference")]
    assert [name.split(": ")[1] for name in quartiles] == ["smallest", "second", "third", "largest"]
    assert table.loc["gold difference: largest", "accuracy"] == 0.0
    assert table.loc[quartiles, "pairs"].sum() == 4


def test_calibration_is_of_the_higher_score():
    sure, correct = confidence(np.array([2.0, -1.0, 0.0, 0.0]))
    assert sure.tolist() == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1)), 0.5, 0.5])
    assert correct.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert reliability_table(TABLE)["pairs"].sum() == 5


def test_correlation_of_a_constant_is_none():
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0.0


def test_gold_agrees_with_itself_and_metrics_are_registered(tmp_path, pairs, fit, config):
    ref = fit()
    with stage_tracker(tmp_path / "report.jsonl", tmp_path / "report"):
        found = report_reward(pairs, FittedReward(standardise=False), [ref], config)
    assert found["reward_accuracy"] > 0.9
    events = [event for event, _ in read_events(tmp_path / "report.jsonl")]
    logged = {name for event in events if event["event"] == "metrics" for name in event["values"]}
    assert logged == {f"held_out/{name}" for name in found}
    assert all(find_metric(name) for name in logged)
    assert {event["name"] for event in events if event["event"] == "artifact"} == {
        "reward_report.json", "reward_reliability.json",
    }  # fmt: skip


def test_scores_stand_beside_their_pairs(pairs, config):
    from tasks.data.rows import PairRow
    from tasks.data.tables import read_rows_of
    from tasks.data.tiny_world import score

    rows = read_rows_of(pairs, PairRow)
    table = scored_pairs(rows, GoldReward(), [], config)
    golds = [gold.reward for gold in score(rows, [row["rejected"] for row in rows], [True] * len(rows))]
    assert table["rejected"].tolist() == golds
