"""A SuperHF run that is killed again and again. ``python dying_superhf.py JOB_JSON`` does it."""

import os
import subprocess
import sys
from pathlib import Path

from dying_run import Moment, die_at
from pydantic import Field
from reinforced import DENSE, MODEL

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.schema import Frozen
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.loading import load_model
from tasks.policy.superhf import optimise_superhf
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining

ROOT = Path(__file__).resolve().parents[2]


class Job(Frozen):
    """A run and the moments of its deaths, one an attempt; a last attempt lives."""

    folder: Path
    start: Checkpoint
    prompts: DatasetRef
    method: SuperHFMethod
    training: SuperHFTraining
    deaths: list[Moment]


class Fate(Frozen):
    """What became of a job: exit statuses of its attempts, the newest checkpoint after each, and what the last made."""

    statuses: list[int]
    newest: list[list[str]]
    series: CheckpointSeries = Field(description="Of the attempt that lived")


def meet_fate(job: Job, log: Path) -> Fate:
    """Do ``job`` in processes of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    with log.open("wb") as output:
        command = [sys.executable, __file__, job.model_dump_json()]
        subprocess.run(command, env=environment, stdout=output, stderr=output, check=True, timeout=240)
    return Fate.model_validate_json((job.folder / "fate.json").read_text())


def run(job: Job, spool: Path, work: Path) -> CheckpointSeries:
    """One uninterrupted attempt."""
    with stage_tracker(spool, work):
        return optimise_superhf(job.start, job.start, job.prompts, DENSE, [], job.method, job.training, MODEL, 0)


def attempt(job: Job, number: int, moment: Moment | None) -> None:
    try:
        if moment:
            die_at(moment)
        series = run(job, job.folder / f"attempt-{number}.jsonl", job.folder / "work")
        (job.folder / "series.json").write_text(series.model_dump_json())
        os._exit(0)
    finally:
        os._exit(1)


def main(job: Job) -> None:
    job.folder.mkdir(parents=True)
    load_model(Store().open(job.start), MODEL)  # what this imports, every attempt would import again
    statuses, newest = [], []
    for number, moment in enumerate([*job.deaths, None]):
        pid = os.fork()
        if not pid:
            attempt(job, number, moment)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        newest.append(sorted(path.name for path in job.folder.glob("work/checkpoints/step-*"))[-1:])
    series = CheckpointSeries.model_validate_json((job.folder / "series.json").read_text())
    (job.folder / "fate.json").write_text(Fate(statuses=statuses, newest=newest, series=series).model_dump_json())


if __name__ == "__main__":
    main(Job.model_validate_json(sys.argv[1]))
