"""One run of a paper: its tree of tracked runs, its launcher, its sender. Flows open it; stages find it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from prefect import runtime
from pydantic import BaseModel

from tasks.engine.home import home
from tasks.engine.launch import Launcher
from tasks.engine.locks import file_lock, try_lock
from tasks.engine.sender import Sender
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.system_metrics import SystemMetrics
from tasks.engine.tracking import Tracker, flatten, new_key

SPOOL = "spool"
ALIVE = "alive.lock"


@dataclass
class Session:
    """What the stages of one flow run share."""

    paper: str
    root: Tracker
    folder: Path
    launcher: Launcher
    sender: Sender
    tags: dict[str, str]
    children: dict[str, "TrackedRun"] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackedRun:
    """A node in the tree: the whole run, an arm at a seed, or a stage."""

    tracker: Tracker
    label: str
    mode: str = ""
    """Of an arm: how it gets its data, online, offline or hybrid."""
    failures: dict[str, str] = field(default_factory=dict)
    """What went wrong, by stage key; a stage that succeeds on a later try is taken out."""


_session: ContextVar[Session | None] = ContextVar("session", default=None)
_parent: ContextVar[TrackedRun | None] = ContextVar("parent_run", default=None)


def current_session() -> Session:
    """The run that is open here. Raises LookupError outside ``paper_run``."""
    session = _session.get()
    if session is None:
        raise LookupError("no run is open here; wrap the calls in tasks.engine.session.paper_run")
    return session


def current_parent() -> TrackedRun:
    """The tracked run that a stage submitted here belongs to."""
    parent = _parent.get()
    if parent is None:
        raise LookupError("no run is open here; wrap the calls in tasks.engine.session.paper_run")
    return parent


def is_cancelled() -> bool:
    """Whether the run that is open here is being ended."""
    session = _session.get()
    return session is not None and session.launcher.cancelled.is_set()


@contextmanager
def paper_run(paper: str, config: BaseModel, tags: Mapping[str, str], name: str = "") -> Iterator[Session]:
    """Open a run of ``paper``: everything submitted inside is tracked below it, and nothing outlives it.

    Raises UserError before anything is computed if the store cannot be written. On any exception the children
    are ended, open runs are closed as FAILED or KILLED, and what the tracking server has not got stays spooled.
    """
    Store().check_writable()
    close_dead_runs()
    folder = home() / SPOOL / new_key()
    folder.mkdir(parents=True)
    alive = file_lock(folder / ALIVE)
    alive.acquire()
    root = Tracker(folder / f"{new_key()}.jsonl", folder)
    flow_run = {
        "prefect.flow_run_id": runtime.flow_run.id or "",
        "prefect.flow_run_url": runtime.flow_run.ui_url or "",
    }
    all_tags = {"paper": paper, "git_commit": git_commit(), **flow_run, **tags}
    root.create(paper, name or paper, "", all_tags | {"level": "run"}, flatten(config.model_dump(mode="json")))
    session = Session(paper, root, folder, Launcher(), Sender(folder), all_tags)
    session.launcher.warm_up()
    session.sender.start()
    tokens = _session.set(session), _parent.set(TrackedRun(root, name or paper))
    status = "KILLED"
    try:
        with SystemMetrics(root):
            yield session
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        session.launcher.close()
        _close(session, status)
        _parent.reset(tokens[1])
        _session.reset(tokens[0])
        session.sender.stop(timeout_seconds=30 if status == "FINISHED" else 5)
        alive.release()


@contextmanager
def arm(name: str, seed: int, mode: str = "offline") -> Iterator[TrackedRun]:
    """Everything submitted inside belongs to arm ``name`` at ``seed``; ``mode`` is online, offline or hybrid."""
    session, parent = current_session(), current_parent()
    label = f"{name}-s{seed}"
    if label not in session.children:
        tracker = Tracker(session.folder / f"{new_key()}.jsonl", session.folder)
        tags = session.tags | {"arm": name, "seed": str(seed), "mode": mode, "level": "arm"}
        tracker.create(session.paper, label, parent.tracker.key, tags, {"arm": name, "seed": str(seed)})
        session.children[label] = TrackedRun(tracker, label, mode)
    token = _parent.set(session.children[label])
    try:
        yield session.children[label]
    finally:
        _parent.reset(token)


def close_dead_runs() -> None:
    """Close, as KILLED, the tracked runs whose process has died without closing them."""
    for alive in (home() / SPOOL).glob(f"*/{ALIVE}"):
        lock = file_lock(alive)
        if not try_lock(lock):
            continue
        try:
            for spool in alive.parent.glob("*.jsonl"):
                events = [event for event, _ in read_events(spool)]
                if events and events[-1]["event"] != "finish":
                    with closing(Tracker(spool, alive.parent)) as tracker:
                        tracker.finish("KILLED")
        finally:
            lock.release()


def send_leftovers() -> bool:
    """Send what earlier runs could not; True if every spool of this folder has been sent."""
    close_dead_runs()
    sent = [Sender(alive.parent).send_all() for alive in sorted((home() / SPOOL).glob(f"*/{ALIVE}"))]
    return all(sent)


def git_commit() -> str:
    """The checkout's commit, with ``-dirty`` if it has uncommitted changes; empty outside a checkout."""
    source = Path(__file__).parent
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(describe, cwd=source, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _close(session: Session, status: str) -> None:
    for child in session.children.values():
        child.tracker.finish("FAILED" if child.failures and status != "KILLED" else status)
        child.tracker.close()
    session.root.finish(status)
    session.root.close()
