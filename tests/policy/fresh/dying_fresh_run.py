"""A run on fresh pairs that is killed again and again. ``python dying_fresh_run.py JOBS_JSON`` does it.

Each attempt is a forked process that sends itself SIGKILL at its moment; the next goes on in the same work folder.
"""

import os
import subprocess
import sys
from pathlib import Path

from dying_run import ROOT, Moment, die_at
from freshly import BY_DENSE
from reinforced import MODEL

from tasks.engine.refs import Checkpoint, DatasetRef, FreshRun
from tasks.engine.schema import Frozen
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.loading import load_model
from tasks.policy.fresh.loop import optimise_on_fresh_pairs
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.inpo import INPO
from tasks.policy.optimisation import PreferenceTraining


class FreshJob(Frozen):
    """A run and the moments of its deaths, one an attempt; a last attempt lives."""

    folder: Path
    start: Checkpoint
    prompts: DatasetRef
    fresh: FreshPairs
    training: PreferenceTraining
    deaths: list[Moment]


class FreshJobs(Frozen):
    """Several, done by one process: it imports what they need once."""

    jobs: list[FreshJob]


class FreshFate(Frozen):
    """Exit statuses of a job's attempts, whole checkpoints and rounds after each, and what the last made."""

    statuses: list[int]
    checkpoints: list[list[str]]
    rounds: list[list[str]]
    run: FreshRun


def meet_fresh_fates(jobs: list[FreshJob], log: Path) -> list[FreshFate]:
    """Do ``jobs`` in processes of their own."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, here.parent, here)))}
    with log.open("wb") as output:
        command = [sys.executable, __file__, FreshJobs(jobs=jobs).model_dump_json()]
        subprocess.run(command, env=environment, stdout=output, stderr=output, check=True, timeout=240)
    return [FreshFate.model_validate_json((job.folder / "fate.json").read_text()) for job in jobs]


def meet_fate(job: FreshJob) -> None:
    job.folder.mkdir(parents=True)
    statuses, checkpoints, rounds = [], [], []
    for number, moment in enumerate([*job.deaths, None]):
        pid = os.fork()
        if not pid:
            attempt(job, number, moment)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        checkpoints.append(sorted(path.name for path in job.folder.glob("work/checkpoints/step-*")))
        rounds.append(sorted(path.name for path in job.folder.glob("work/rounds/*.*") if path.name[0] != "."))
    run = FreshRun.model_validate_json((job.folder / "run.json").read_text())
    fate = FreshFate(statuses=statuses, checkpoints=checkpoints, rounds=rounds, run=run)
    (job.folder / "fate.json").write_text(fate.model_dump_json())


def attempt(job: FreshJob, number: int, moment: Moment | None) -> None:
    try:
        if moment:
            die_at(moment)
        with stage_tracker(job.folder / f"attempt-{number}.jsonl", job.folder / "work"):
            run = optimise_on_fresh_pairs(
                job.start, job.start, job.prompts, BY_DENSE, [], INPO(), job.fresh, job.training, MODEL, 0
            )
        (job.folder / "run.json").write_text(run.model_dump_json())
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    asked = FreshJobs.model_validate_json(sys.argv[1]).jobs
    load_model(Store().open(asked[0].start), MODEL)  # what this imports, every attempt would import again
    for one in asked:
        meet_fate(one)
