"""Two processes that share every batch draw the same rounds as one and take the same steps."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dying_fresh_run import FreshJob
from dying_run import ROOT
from freshly import TRAINING, Left, rounds

from tasks.engine.refs import FreshRun
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.objectives.inpo import INPO

HERE = Path(__file__).parent


def in_processes(job: FreshJob, count: int) -> list[Left]:
    """Do ``job`` in ``count`` processes; what each of them left."""
    job.folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, HERE.parent, HERE))), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "shared_run.py"), job.model_dump_json()],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count, "\n".join(outputs)[-3000:]
    runs = [FreshRun.model_validate_json((job.folder / f"rank-{rank}.json").read_text()) for rank in range(count)]
    return [Left(run.series, job.folder / f"rank-{rank}.jsonl", run) for rank, run in enumerate(runs)]


def test_two_processes_learn_the_same_from_the_same_pairs(fresh_bench):
    fresh = rounds(refresh_every_steps=2, per_prompt=4, choice=BestWorst(), rounds_replayed=1)
    training = TRAINING.model_copy(update={"max_steps": 4})
    job = FreshJob(
        folder=fresh_bench.folder / "shared", start=fresh_bench.base, prompts=fresh_bench.prompts, fresh=fresh,
        training=training, deaths=[],
    )  # fmt: skip
    first, second = in_processes(job, 2)
    alone = fresh_bench.run(fresh, training, objective=INPO())
    assert first.digests == second.digests
    assert first.run.stream.digest == second.run.stream.digest
    assert all(len(batch) % 2 == 0 for batch in first.stream().plan)
    assert [row.texts for row in first.stream().rows] == [row.texts for row in alone.stream().rows]
    assert first.stream().plan == alone.stream().plan
    assert first.column("train/loss") == pytest.approx(alone.column("train/loss"), rel=1e-4)
