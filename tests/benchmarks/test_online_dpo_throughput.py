"""Online DPO against TRL's OnlineDPOTrainer: same model, prompts, batch, lengths, reward and steps, interleaved.

Each side counts with the number of threads that suits it better, one or all cores. Lengths are those of a model that
imitates demonstrations, whose responses end where they end, as in any real run; and, as the hardest case, forced: all
as long as allowed, so that nobody gains by stopping. No two different responses tie. Our side also records every round
on disk, which lets a killed run go on with the same pairs.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

STEPS, REPEATS = 10, 3
FORCED = "forced"
CONTENDER = Path(__file__).with_name("online_dpo_contender.py")
LEAST = {"natural": 1.5, FORCED: 1.0}


def contend(threads: int, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, str(CONTENDER), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "2000"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("fitted")
    contend(1, "fit", str(folder))
    return {"natural": str(folder / "model"), FORCED: FORCED}


def shown(result: dict[str, float]) -> str:
    names = [name for name in ("sample", "label", "reference", "record", "learn") if name in result]
    parts = ", ".join(f"{name} {1e3 * result[name]:.0f} ms" for name in names)
    return f"{result['tokens_per_second']:.0f} tokens/s ({parts}; processor {1e3 * result['processor_seconds']:.0f} ms)"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lengths", LEAST)
def test_response_tokens_a_second_against_trl(models: dict[str, str], lengths: str) -> None:
    pytest.importorskip("trl")
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(REPEATS):
        for threads in sorted({1, os.cpu_count() or 1}):
            for side in ("ours", "trl"):
                result = json.loads(contend(threads, side, str(STEPS), str(threads), models[lengths]).splitlines()[-1])
                found.setdefault((side, threads), []).append(result["tokens_per_second"])
                print(f"{lengths} lengths, {side}, {threads} threads: {shown(result)}")
    speeds = {key: statistics.median(values) for key, values in found.items()}
    ours, trl = (max(speed for (side, _), speed in speeds.items() if side == wanted) for wanted in ("ours", "trl"))
    print(f"online DPO, {lengths} lengths: {ours:.0f} against {trl:.0f} response tokens/s: {ours / trl:.2f} x")
    assert ours / trl >= LEAST[lengths]
