"""A run of the policy-gradient loop that is killed again and again. ``python dying_run.py JOBS_JSON`` does it.

Each attempt is a forked process that sends itself SIGKILL at its moment; the next goes on in the same work folder.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import Field
from reinforced import DENSE, MODEL

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.schema import Frozen
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.loading import load_model
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.reinforcement import optimise_policy

ROOT = Path(__file__).resolve().parents[2]


class Moment(Frozen):
    """The beginning of a call."""

    file: str
    function: str
    call: int = Field(ge=1)


class Job(Frozen):
    """A run and the moments of its deaths, one an attempt; a last attempt lives."""

    folder: Path
    start: Checkpoint
    prompts: DatasetRef
    method: PolicyGradient
    training: ReinforcementTraining
    deaths: list[Moment]


class Fate(Frozen):
    """What became of a job: exit statuses of its attempts, whole checkpoints after each, and what the last made."""

    statuses: list[int]
    checkpoints: list[list[str]]
    series: CheckpointSeries


class Jobs(Frozen):
    """Several, done by one process: it imports what they need once."""

    jobs: list[Job]


def meet_fates(jobs: list[Job], log: Path) -> list[Fate]:
    """Do ``jobs`` in processes of their own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    with log.open("wb") as output:
        command = [sys.executable, __file__, Jobs(jobs=jobs).model_dump_json()]
        subprocess.run(command, env=environment, stdout=output, stderr=output, check=True, timeout=240)
    return [Fate.model_validate_json((job.folder / "fate.json").read_text()) for job in jobs]


def meet_fate(job: Job) -> None:
    job.folder.mkdir(parents=True)
    statuses, checkpoints = [], []
    for number, moment in enumerate([*job.deaths, None]):
        pid = os.fork()
        if not pid:
            attempt(job, number, moment)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        checkpoints.append(sorted(path.name for path in job.folder.glob("work/checkpoints/*")))
    series = CheckpointSeries.model_validate_json((job.folder / "series.json").read_text())
    fate = Fate(statuses=statuses, checkpoints=checkpoints, series=series)
    (job.folder / "fate.json").write_text(fate.model_dump_json())


def attempt(job: Job, number: int, moment: Moment | None) -> None:
    try:
        if moment:
            die_at(moment)
        with stage_tracker(job.folder / f"attempt-{number}.jsonl", job.folder / "work"):
            series = optimise_policy(
                job.start, job.start, job.prompts, DENSE, [], [], job.method, job.training, MODEL, 0
            )
        (job.folder / "series.json").write_text(series.model_dump_json())
        os._exit(0)
    finally:
        os._exit(1)


def die_at(moment: Moment) -> None:
    """Arrange for this process to be killed at ``moment``."""
    left = iter(range(moment.call - 1))

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == moment.function and code.co_filename.endswith(moment.file):
            next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


if __name__ == "__main__":
    asked = Jobs.model_validate_json(sys.argv[1]).jobs
    load_model(Store().open(asked[0].start), MODEL)  # what this imports, every attempt would import again
    for one in asked:
        meet_fate(one)
