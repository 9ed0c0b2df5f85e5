"""DPO training against TRL's DPOTrainer: same model, data, batch and machine, interleaved, reference pass included."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

PAIRS, REPEATS = 960, 3
CONTENDER = Path(__file__).with_name("dpo_contender.py")


def run(side: str) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(CONTENDER), side, str(PAIRS)], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def test_twice_trl_at_no_more_memory() -> None:
    pytest.importorskip("trl")
    rounds = [(run("ours"), run("trl")) for _ in range(REPEATS)]
    for ours, trl in rounds:
        print({"ours": ours, "trl": trl, "ratio": ours["tokens_per_second"] / trl["tokens_per_second"]})
    ratio = statistics.median(ours["tokens_per_second"] / trl["tokens_per_second"] for ours, trl in rounds)
    memory = statistics.median(ours["peak_mib"] / trl["peak_mib"] for ours, trl in rounds)
    print(f"throughput ratio {ratio:.2f}, peak memory ratio {memory:.2f}")
    assert ratio >= 2.0
    assert memory <= 1.0
