"""RLOO on the tiny world's gold reward against TRL's RLOOTrainer: the same algorithm, budget and start, three seeds."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy.stats import t as students_t

SEEDS = (0, 1, 2)
LEARNED = 0.2
"""Least rise of the reward, in units of gold, that counts as learning."""
CONTENDER = Path(__file__).with_name("learning_curve_contender.py")


def run(*arguments: str) -> str:
    found = subprocess.run([sys.executable, str(CONTENDER), *arguments], capture_output=True, text=True, check=True)
    return found.stdout


def mean_of_last_third(rewards: Sequence[float]) -> float:
    return statistics.fmean(rewards[-(len(rewards) // 3) :])


def least_credible_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """How far below the mean of ``second`` that of ``first`` may lie by chance once in a hundred times."""
    error = (statistics.variance(first) / len(first) + statistics.variance(second) / len(second)) ** 0.5
    return float(students_t.ppf(0.99, len(first) + len(second) - 2)) * error


@pytest.mark.timeout(3600)
def test_reward_of_the_last_third_is_not_worse(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    run("base", str(tmp_path))
    reached: dict[str, list[float]] = {"ours": [], "trl": []}
    for seed in SEEDS:
        for side, found in reached.items():
            result = json.loads(run(side, str(tmp_path), str(seed)).splitlines()[-1])
            found.append(mean_of_last_third(result["rewards"]))
            rise = found[-1] - statistics.fmean(result["rewards"][:3])
            print(f"{side} seed {seed}: reward {found[-1]:.3f}, up {rise:.3f}, in {result['seconds']:.0f} s")
            assert rise >= LEARNED
    ours, trl = reached["ours"], reached["trl"]
    for side, found in reached.items():
        print(f"{side}: mean {statistics.fmean(found):.3f}, deviation of seeds {statistics.stdev(found):.3f}")
    noise = least_credible_difference(ours, trl)
    print(f"difference {statistics.fmean(ours) - statistics.fmean(trl):+.3f}, noise {noise:.3f}")
    assert statistics.fmean(ours) - statistics.fmean(trl) >= -noise
