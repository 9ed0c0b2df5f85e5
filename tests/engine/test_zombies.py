from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Pending, Running

from tasks.engine.locks import file_lock
from tasks.engine.session import ALIVE, SPOOL
from tasks.engine.tracking import Tracker, new_key
from tasks.engine.zombies import AUTOMATION, close_dead_flow_runs, watch_heartbeats

pytestmark = pytest.mark.usefixtures("prefect_server", "rlhf_home")


@flow
def nothing() -> None: ...


def started(client: SyncPrefectClient, *states: object) -> UUID:
    run = client.create_flow_run(nothing)
    for state in states:
        client.set_flow_run_state(run.id, state, force=True)
    return run.id


def test_runs_whose_process_is_dead_become_crashed_and_others_stay(rlhf_home: Path) -> None:
    with get_client(sync_client=True) as client:
        dead, pending = started(client, Running()), started(client, Pending())
        done, alive = started(client, Running(), Completed()), started(client, Running())
        folder = rlhf_home / SPOOL / "of-a-living-run"
        lock = file_lock(folder / ALIVE)
        lock.acquire()
        tracker = Tracker(folder / f"{new_key()}.jsonl", folder)
        tracker.create("paper", "run", "", {"prefect.flow_run_id": str(alive)}, {})
        assert set(close_dead_flow_runs()) >= {dead, pending}
        lock.release()
        states = {run_id: client.read_flow_run(run_id).state_type for run_id in (dead, pending, done, alive)}
        assert states == {
            dead: StateType.CRASHED,
            pending: StateType.CRASHED,
            done: StateType.COMPLETED,
            alive: StateType.RUNNING,
        }
        assert close_dead_flow_runs() == [alive]


def test_the_watch_over_heartbeats_is_set_up_once() -> None:
    watch_heartbeats(60)
    watch_heartbeats(45)
    with get_client(sync_client=True) as client:
        (known,) = client.read_automations_by_name(AUTOMATION)
    automation = Automation.read(id=known.id)
    assert automation.enabled
    assert automation.trigger.within.total_seconds() == 3 * 45
    assert [action.type for action in automation.actions] == ["change-flow-run-state"]
