"""How long it takes to check HumanEval's canonical solutions twenty times over: under three minutes on two cores.

SAMPLES of the environment makes it another number of samples a problem; the bar goes with it.
"""

import gzip
import json
import os
import time
from pathlib import Path

from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Program
from tasks.evaluation.sandbox.running import run_programs

WORKERS = 2
SECONDS = 180.0
SAMPLES = int(os.environ.get("SAMPLES", "20"))


def test_twenty_samples_of_every_problem(shared_data: Path) -> None:
    with gzip.open(shared_data / "human_eval" / "HumanEval.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    programs = [
        Program(
            f"{row['task_id']} {sample}", row["prompt"] + row["canonical_solution"],
            f"{row['test']}\ncheck({row['entry_point']})\n", (row["entry_point"],), row["prompt"],
        )
        for sample in range(SAMPLES) for row in rows
    ]  # fmt: skip
    begun = time.perf_counter()
    outcomes = run_programs(programs, Limits(), WORKERS)
    seconds = time.perf_counter() - begun
    each = 1000 * seconds * WORKERS / len(programs)
    print(f"\n{len(programs)} programs in {seconds:.1f} s: {each:.1f} ms of a core each")
    assert all(outcome.passed for outcome in outcomes)
    assert seconds < SECONDS * SAMPLES / 20
