"""Rollout, reward and update against TRL's trainers: same model, prompts, lengths, reward and steps, interleaved.

Each side counts with the number of threads that suits it better, one or all cores. Responses have exactly as many
tokens as are allowed, so that nobody gains by stopping. TRL no longer ships PPO.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ITERATIONS, REPEATS = 13, 3
CONTENDER = Path(__file__).with_name("policy_gradient_contender.py")
LEAST = 1.5


def run(side: str, algorithm: str, threads: int) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(CONTENDER), side, algorithm, str(ITERATIONS), str(threads)],
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "2000"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(found.stdout.splitlines()[-1])


def shown(result: dict[str, float]) -> str:
    parts = ", ".join(f"{name} {1e3 * result[name]:.0f} ms" for name in ("sample", "score", "update"))
    return f"{result['tokens_per_second']:.0f} tokens/s ({parts}; processor {1e3 * result['processor_seconds']:.0f} ms)"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_response_tokens_a_second_against_trl(algorithm: str) -> None:
    pytest.importorskip("trl")
    cores = os.cpu_count() or 1
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(REPEATS):
        for threads in sorted({1, cores}):
            for side in ("ours", "trl"):
                result = run(side, algorithm, threads)
                found.setdefault((side, threads), []).append(result["tokens_per_second"])
                print(f"{algorithm} {side}, {threads} threads: {shown(result)}")
    speeds = {key: statistics.median(values) for key, values in found.items()}
    ours, trl = (max(speed for (side, _), speed in speeds.items() if side == wanted) for wanted in ("ours", "trl"))
    print(f"{algorithm}: {ours:.0f} against {trl:.0f} response tokens/s: {ours / trl:.2f} x")
    assert ours / trl >= LEAST
