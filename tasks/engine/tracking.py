"""Tracking as stages see it: an explicit tracker bound to one run, writing to a spool and nowhere else.

No stage talks to MLflow. What a tracker records reaches the server through ``tasks.engine.sender``, at once or
after an outage, in order and once.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.engine.refs import DatasetRef
from tasks.engine.spool import Spool

PROGRESS_SECONDS = 0.4
CHECKPOINT_TAG = "checkpoint"
"""Tag of a run that made a checkpoint: its reference as JSON, so that the run's id is enough to find the weights."""


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def new_key() -> str:
    """A name for a tracked run that needs no server to be given out."""
    return uuid.uuid4().hex[:16]


class Tracker:
    """Records metrics, tags, tables and data sets of one run. Metric names are paths such as ``train/loss``."""

    def __init__(self, spool: Path, work: Path) -> None:
        self.work = work
        self.key = spool.stem
        self._spool = Spool(spool)
        self._last_progress = 0.0
        self.opened = False

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record finite numbers at ``step``. Raises NonFinite naming the metric otherwise."""
        numbers = {name: float(value) for name, value in values.items()}
        self._spool.append({"event": "metrics", "step": step, "time_ms": now_ms(), "values": numbers})

    def tags(self, values: Mapping[str, str]) -> None:
        """Record searchable tags."""
        self._spool.append({"event": "tags", "values": dict(values)})

    def table(self, name: str, rows: pd.DataFrame) -> None:
        """Record a table that MLflow shows in its artifact view; ``name`` ends in ``.json``."""
        columns = json.loads(rows.to_json(orient="split", index=False))
        self.text(name, json.dumps({"columns": columns["columns"], "data": columns["data"]}), table=True)

    def text(self, name: str, content: str, table: bool = False) -> None:
        """Record a text artifact called ``name``."""
        path = self._spool.path.parent / "files" / self.key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        self._spool.append({"event": "artifact", "path": str(path), "name": name, "table": table})

    def file(self, name: str, path: Path) -> None:
        """Record a file as it is now."""
        target = self._spool.path.parent / "files" / self.key / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        self._spool.append({"event": "artifact", "path": str(target), "name": name, "table": False})

    def dataset(self, ref: DatasetRef, context: str, source: str = "") -> None:
        """Record that this run read ``ref``; ``context`` says what for (training, evaluation)."""
        self._spool.append(
            {"event": "dataset", "name": ref.name or "rows", "digest": ref.digest[:32], "rows": ref.rows,
             "source": source or ref.path, "context": context}
        )  # fmt: skip

    def progress(self, done: int, total: int, unit: str = "steps") -> None:
        """Say how far the stage is; cheap enough for every step."""
        if done < total and time.monotonic() - self._last_progress < PROGRESS_SECONDS:
            return
        self._last_progress = time.monotonic()
        path = self.work / "progress.json"
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps({"done": done, "total": total, "unit": unit}))
        temporary.replace(path)

    def create(
        self, experiment: str, name: str, parent: str, tags: Mapping[str, str], params: Mapping[str, str]
    ) -> None:
        """Open the run: its place in the tree, its tags and its write-once parameters."""
        self.opened = True
        self._spool.append(
            {"event": "create", "experiment": experiment, "name": name, "parent": parent, "time_ms": now_ms(),
             "order": time.time_ns(), "tags": dict(tags), "params": dict(params)}
        )  # fmt: skip

    def finish(self, status: str) -> None:
        """Close the run: FINISHED, FAILED or KILLED."""
        self._spool.append({"event": "finish", "status": status, "time_ms": now_ms()})

    def close(self) -> None:
        """Flush what was recorded to disk."""
        self._spool.close()


_current: ContextVar[Tracker | None] = ContextVar("tracker", default=None)


@contextmanager
def stage_tracker(spool: Path, work: Path) -> Iterator[Tracker]:
    """Bind a tracker to the code that runs inside; ``work`` is the folder for checkpoints in progress."""
    work.mkdir(parents=True, exist_ok=True)
    tracker = Tracker(spool, work)
    token = _current.set(tracker)
    try:
        yield tracker
    finally:
        _current.reset(token)
        tracker.close()


def current_tracker() -> Tracker:
    """The tracker of the stage that is running. Raises LookupError outside ``stage_tracker``."""
    tracker = _current.get()
    if tracker is None:
        raise LookupError("no stage is running here; wrap the call in tasks.engine.tracking.stage_tracker")
    return tracker


def current_run_key() -> str:
    """Key of the stage run that is open here; empty outside one."""
    tracker = _current.get()
    return tracker.key if tracker else ""


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested configuration as dotted parameter names: ``{"policy": {"beta": 0.1}}`` → ``policy.beta``."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat
