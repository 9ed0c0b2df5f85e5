"""Reward-model training against TRL's RewardTrainer: same model, pairs, batch and epochs, interleaved."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

PAIRS, REPEATS = 960, 3
CONTENDER = Path(__file__).with_name("reward_training_contender.py")


def run(side: str) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(CONTENDER), side, str(PAIRS)], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def test_pairs_a_second_against_trl() -> None:
    pytest.importorskip("trl")
    rounds = [(run("ours"), run("trl")) for _ in range(REPEATS)]
    for ours, trl in rounds:
        print({"ours": ours, "trl": trl, "ratio": ours["pairs_per_second"] / trl["pairs_per_second"]})
    ours, trl = (statistics.median(side["pairs_per_second"] for side in sides) for sides in zip(*rounds, strict=True))
    print(f"{ours:.0f} against {trl:.0f} pairs/s: {ours / trl:.2f} x")
    assert ours / trl >= 1.2
