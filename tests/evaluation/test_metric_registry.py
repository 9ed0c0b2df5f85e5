import math

import pytest

from tasks.evaluation.metrics import METRICS, find_metric, metric_range


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_described_whole(name):
    metric = METRICS[name]
    assert metric.meaning
    assert metric.formula
    assert metric.unit
    assert metric.direction in {"higher", "lower", "neither"}
    assert metric.lowest < metric.highest


@pytest.mark.parametrize(
    ("logged", "registered"),
    [
        ("gold_reward", "gold_reward"),
        ("win_rate_vs_sft", "win_rate"),
        ("eval/gold_reward", "gold_reward"),
        ("eval/tldr/win_rate_vs_demonstrations", "win_rate"),
        ("eval/arena_hard/hard_prompt/win_rate", "win_rate"),
        ("held_out/margin", "margin"),
        ("train/rewards/accuracy", "train/rewards/accuracy"),
        ("system/cpu_utilization_percentage", "system"),
    ],
)
def test_a_logged_name_finds_its_metric(logged, registered):
    assert find_metric(logged) is METRICS[registered]


@pytest.mark.parametrize("logged", ["train/lossy", "eval/nothing", "gold", "loss"])
def test_an_unregistered_name_is_found_out(logged):
    assert find_metric(logged) is None
    assert metric_range(logged) == (-math.inf, math.inf)
