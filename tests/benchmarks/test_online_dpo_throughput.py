"""Online DPO against TRL's OnlineDPOTrainer: same model, prompts, batch, lengths, reward and steps, interleaved.

Each side counts with the number of threads that suits it better, one or all cores. Responses have exactly as many
tokens as are allowed, and no two of them tie, so that nobody gains by stopping or by leaving pairs out. Our side also
records every round on disk, which lets a killed run go on with the same pairs.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

STEPS, REPEATS = 10, 3
CONTENDER = Path(__file__).with_name("online_dpo_contender.py")
LEAST = 1.0


def run(side: str, threads: int) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(CONTENDER), side, str(STEPS), str(threads)],
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "2000"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(found.stdout.splitlines()[-1])


def shown(result: dict[str, float]) -> str:
    names = [name for name in ("sample", "label", "reference", "record", "learn") if name in result]
    parts = ", ".join(f"{name} {1e3 * result[name]:.0f} ms" for name in names)
    return f"{result['tokens_per_second']:.0f} tokens/s ({parts}; processor {1e3 * result['processor_seconds']:.0f} ms)"


@pytest.mark.timeout(1800)
def test_response_tokens_a_second_against_trl() -> None:
    pytest.importorskip("trl")
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(REPEATS):
        for threads in sorted({1, os.cpu_count() or 1}):
            for side in ("ours", "trl"):
                result = run(side, threads)
                found.setdefault((side, threads), []).append(result["tokens_per_second"])
                print(f"{side}, {threads} threads: {shown(result)}")
    speeds = {key: statistics.median(values) for key, values in found.items()}
    ours, trl = (max(speed for (side, _), speed in speeds.items() if side == wanted) for wanted in ("ours", "trl"))
    print(f"online DPO: {ours:.0f} against {trl:.0f} response tokens/s: {ours / trl:.2f} x")
    assert ours / trl >= LEAST
