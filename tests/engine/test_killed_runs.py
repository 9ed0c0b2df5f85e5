"""Whole runs that are killed, cancelled, or started twice: nothing runs on, nothing is lost, nothing is done twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import toy_flow as toy_flow_module
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from toy_flow import PAPER, Plan, toy_flow
from toy_stages import Toy, write_rows
from waiting import until

from tasks.engine.caching import stage_key
from tasks.engine.home import tracking_uri
from tasks.engine.locks import KernelLockManager
from tasks.engine.session import close_dead_runs, send_leftovers
from tasks.engine.spool import Event, read_events
from tasks.engine.zombies import close_dead_flow_runs

HELD = Toy(steps=12, hold_at=7)
ROOT = Path(__file__).resolve().parents[2]


class FlowProcess:
    """A toy flow in a process of its own; ends with the test."""

    def __init__(self, home: Path, api: str, toy: Toy) -> None:
        environment = os.environ | {"PREFECT_API_URL": api, "PYTHONPATH": str(ROOT)}
        plan = Plan(arms={"line": toy}).model_dump_json()
        self.home = home
        with (home / "output.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, toy_flow_module.__file__, plan], env=environment, stdout=log, stderr=log
            )

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def work(self) -> Path:
        """The work folder of the stage that holds, once it does."""
        return until(lambda: next(iter(self.home.glob("work/*/holding")), None)).parent

    def signal_and_wait(self, signum: signal.Signals) -> list[psutil.Process]:
        """Send ``signum`` and wait for the end; returns what outlived the process."""
        others = self.descendants()
        assert others
        self.process.send_signal(signum)
        self.process.wait(60)
        _, alive = psutil.wait_procs(others, timeout=10)
        return alive


@pytest.fixture
def start(prefect_server, tracking):
    started: list[FlowProcess] = []

    def start(toy: Toy) -> FlowProcess:
        started.append(FlowProcess(tracking.parents[1], prefect_server, toy))
        return started[-1]

    yield start
    for flow in started:
        flow.process.kill()
        flow.process.wait()


def created(home: Path, stage: str) -> list[Path]:
    """Spools of the runs of ``stage``."""
    return [spool for spool in home.glob("spool/*/*.jsonl") if tags_of(spool).get("stage") == stage]


def tags_of(spool: Path) -> dict[str, str]:
    return next((event["tags"] for event, _ in read_events(spool) if event["event"] == "create"), {})


def last_events(home: Path) -> list[Event]:
    return [events[-1][0] for spool in home.glob("spool/*/*.jsonl") if (events := read_events(spool))]


def steps_recorded(spool: Path) -> list[int]:
    events = [event for event, _ in read_events(spool)]
    return [event["step"] for event in events if "train/loss" in event.get("values", {})]


def flow_run_states(home: Path) -> list[str]:
    ids = {tags_of(spool)["prefect.flow_run_id"] for spool in home.glob("spool/*/*.jsonl")}
    with get_client(sync_client=True) as client:
        return [client.read_flow_run(UUID(run_id)).state_name for run_id in ids]


def test_a_killed_run_leaves_no_process_and_ends_in_the_same_weights(start, tracking):
    home = tracking.parents[1]
    flow = start(HELD)
    work = flow.work()
    assert flow.signal_and_wait(signal.SIGKILL) == []

    assert flow_run_states(home) == ["Running"]
    assert len(close_dead_flow_runs()) >= 1
    assert flow_run_states(home) == ["Crashed"]
    close_dead_runs()
    assert {(event["event"], event["status"]) for event in last_events(home)} >= {("finish", "KILLED")}
    assert all(event["event"] == "finish" for event in last_events(home))

    (work / "go").touch()
    [first] = created(home, "fit_line")
    plain = Toy(steps=HELD.steps)
    answer = toy_flow(Plan(arms={"line": HELD, "uninterrupted": plain}))
    assert answer["line"] == answer["uninterrupted"]
    assert steps_recorded(first) == list(range(7))
    assert sorted(steps_recorded(spool) for spool in created(home, "fit_line") if spool != first) == [
        list(range(12)), list(range(7, 12)),
    ]  # fmt: skip
    assert len(created(home, "write_rows")) == 1

    assert send_leftovers()
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(PAPER).experiment_id])
    statuses = sorted(run.info.status for run in runs if run.info.run_name == PAPER)
    assert statuses == ["FINISHED", "KILLED"]
    assert "RUNNING" not in {run.info.status for run in runs}


def test_a_cancelled_run_leaves_no_process_and_closes_its_runs(start, tracking):
    flow = start(HELD)
    work = flow.work()
    assert flow.signal_and_wait(signal.SIGTERM) == []
    assert flow.process.returncode != 0
    ends = [(event["event"], event.get("status")) for event in last_events(tracking.parents[1])]
    assert sorted(ends) == [("finish", "FINISHED"), *[("finish", "KILLED")] * 3]
    assert flow_run_states(tracking.parents[1]) != ["Running"]
    assert list((work / "checkpoints").glob("step-*"))


def test_two_processes_that_want_the_same_compute_it_once(start, tracking):
    home = tracking.parents[1]
    flows = [start(HELD), start(HELD)]
    work = flows[0].work()
    until(lambda: len(list(home.glob("spool/*/alive.lock"))) == 2)
    (work / "go").touch()
    assert [flow.process.wait(120) for flow in flows] == [0, 0]
    assert len(created(home, "write_rows")) == 1
    [spool] = created(home, "fit_line")
    assert steps_recorded(spool) == list(range(HELD.steps))
    arms = [tags_of(path) for path in home.glob("spool/*/*.jsonl")]
    assert sum(tags["level"] == "arm" for tags in arms) == 2


def test_a_run_that_waits_for_another_can_be_interrupted(start, tracking):
    locks = KernelLockManager()
    key = stage_key(write_rows.fn.__wrapped__, {"count": 5})
    assert locks.acquire_lock(key, "another run")
    flow = start(HELD)
    until(lambda: is_waiting(tracking.parents[1]))
    assert flow.signal_and_wait(signal.SIGINT) == []
    locks.release_lock(key, "another run")


def is_waiting(home: Path) -> bool:
    """Whether the stage of the only run of ``home`` has been started by Prefect; the lock comes next."""
    with get_client(sync_client=True) as client:
        for spool in home.glob("spool/*/*.jsonl"):
            run_id = tags_of(spool).get("prefect.flow_run_id")
            states = [run.state_name for run in client.read_task_runs() if str(run.flow_run_id) == run_id]
            return "Running" in states
    return False
