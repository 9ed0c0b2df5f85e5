"""Flow runs whose process has died: found by a missing heartbeat while a server is up, or when it starts.

A killed process cannot say so, and its run would stay ``Running`` for ever (and hold its deployment's slot).
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.states import Crashed

from tasks.engine.home import home
from tasks.engine.locks import file_lock, try_lock
from tasks.engine.session import ALIVE, SPOOL
from tasks.engine.spool import read_events

AUTOMATION = "Crash flow runs without a heartbeat"
DIED = "The run's process ended without a word: killed, out of memory, or a power cut"
MISSED_HEARTBEATS = 3


def watch_heartbeats(heartbeat_seconds: int) -> None:
    """Have Prefect mark a run Crashed that misses three heartbeats; registering it again changes nothing."""
    within = timedelta(seconds=MISSED_HEARTBEATS * heartbeat_seconds)
    automation = Automation(
        name=AUTOMATION,
        description=f"{DIED}. Silence of {within.total_seconds():.0f} s is taken for it.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=DIED)],
    )
    with get_client(sync_client=True) as client:
        known = client.read_automations_by_name(AUTOMATION)
    if known:
        automation.id = known[0].id
        automation.update()
    else:
        automation.create()


def close_dead_flow_runs() -> list[UUID]:
    """Mark as Crashed what Prefect believes to be running though its process is dead; returns those runs.

    Call it when nothing is being started in this working folder: a run counts as alive from the moment it opens
    ``paper_run``.
    """
    states = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    wanted = FlowRunFilter(state=FlowRunFilterState(type=states))
    living = set(_living_flow_runs())
    with get_client(sync_client=True) as client:
        dead = [run.id for run in client.read_flow_runs(flow_run_filter=wanted) if str(run.id) not in living]
        for run_id in dead:
            client.set_flow_run_state(run_id, Crashed(message=DIED), force=True)
    return dead


def _living_flow_runs() -> Iterator[str]:
    for alive in (home() / SPOOL).glob(f"*/{ALIVE}"):
        lock = file_lock(alive)
        if try_lock(lock):
            lock.release()
            continue
        for spool in alive.parent.glob("*.jsonl"):
            for event, _ in read_events(spool)[:1]:
                yield event.get("tags", {}).get("prefect.flow_run_id", "")
