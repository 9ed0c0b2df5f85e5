"""Replays spools into MLflow: batched, in order, idempotent, patient.

Each tracked run has a spool and, beside it, a small state file with its MLflow run id and the offset sent so
far. A batch that was sent just before a crash is sent again with the same keys, steps and times, which MLflow
stores once.
"""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from tasks.engine.files import write_json
from tasks.engine.home import artifact_root, home, tracking_uri
from tasks.engine.locks import file_lock
from tasks.engine.spool import Event, parse_event, read_events

KEY_TAG = "atlas.key"
SEND_SECONDS = 3.0
METRICS_PER_BATCH, PARAMS_PER_BATCH = 1000, 100
REFUSED_FOR_GOOD = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "BAD_REQUEST")
"""Answers that sending again cannot change, e.g. the user deleted the run."""

logger = logging.getLogger(__name__)


class Sender:
    """Sends every spool below ``folder`` to the tracking server ``uri``."""

    def __init__(self, folder: Path, uri: str = "") -> None:
        self.folder = folder
        self.uri = uri or tracking_uri()
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self._sent: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._sending = threading.Lock()

    def start(self) -> None:
        """Send in the background, every few seconds."""
        self._thread = threading.Thread(target=self._loop, name="mlflow-sender", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 60.0) -> bool:
        """Send what is left; False if the server could not be reached in time (the spool keeps the rest)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive():
                return False
        return self.send_all()

    def send_all(self) -> bool:
        """Send every unsent event now. False if the server is away; nothing is lost then.

        One process at a time sends a folder: two that did would create each run twice.
        """
        with self._sending, file_lock(self.folder / "sending.lock"):
            try:
                for spool in _parents_first(self._unsent()):
                    self._send(spool)
            except (MlflowException, OSError, ConnectionError):
                return False
            return True

    def run_id(self, key: str) -> str:
        """MLflow's id of the run ``key``; empty while it has not been sent."""
        return str(_state(self.folder / f"{key}.jsonl").get("run_id", ""))

    def experiment_id(self, key: str) -> str:
        """MLflow's id of the experiment that the run ``key`` is in; empty while it has not been sent."""
        return str(_state(self.folder / f"{key}.jsonl").get("experiment_id", ""))

    def _loop(self) -> None:
        while not self._stop.wait(SEND_SECONDS):
            self.send_all()

    def _unsent(self) -> list[Path]:
        """Spools that have grown since this sender read them to their end."""
        return [spool for spool in self.folder.glob("*.jsonl") if spool.stat().st_size != self._sent.get(spool, 0)]

    def _send(self, spool: Path) -> None:
        state = _state(spool)
        pending = read_events(spool, int(state.get("offset", 0)))
        while pending:
            batch, pending = _next_batch(pending)
            try:
                self._apply(batch, spool, state)
            except MlflowException as error:
                if error.error_code not in REFUSED_FOR_GOOD:
                    raise
                logger.warning("MLflow refused a %s event of run %s: %s", batch[0]["event"], spool.stem, error)
            state["offset"] = batch[-1]["offset"]
            write_json(_state_path(spool), state)
        self._sent[spool] = int(state.get("offset", 0))

    def _apply(self, batch: list[Event], spool: Path, state: dict[str, Any]) -> None:
        if batch[0]["event"] != "create" and "run_id" not in state:
            return  # MLflow refused to open this run, and the log says why
        if batch[0]["event"] == "metrics":
            self._metrics(batch, state)
            return
        actions: dict[str, Callable[[Event, Path, dict[str, Any]], None]] = {
            "create": self._create,
            "tags": self._tags,
            "artifact": self._artifact,
            "dataset": self._dataset,
            "finish": self._finish,
        }
        actions[batch[0]["event"]](batch[0], spool, state)

    def _create(self, event: Event, spool: Path, state: dict[str, Any]) -> None:
        experiment = self._experiment(event["experiment"])
        found = self.client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{spool.stem}'", max_results=1)
        run = found[0] if found else self._create_run(experiment, event, spool)
        state.update(run_id=run.info.run_id, experiment_id=experiment)
        params = [Param(name, value[:6000]) for name, value in event["params"].items()]
        for start in range(0, len(params), PARAMS_PER_BATCH):
            self.client.log_batch(run.info.run_id, params=params[start : start + PARAMS_PER_BATCH])

    def _create_run(self, experiment: str, event: Event, spool: Path) -> Run:
        tags = event["tags"] | {KEY_TAG: spool.stem}
        if event["parent"]:
            tags[MLFLOW_PARENT_RUN_ID] = _state(spool.with_name(f"{event['parent']}.jsonl")).get("run_id", "")
        return self.client.create_run(experiment, start_time=event["time_ms"], tags=tags, run_name=event["name"])

    def _metrics(self, events: list[Event], state: dict[str, Any]) -> None:
        metrics = [
            Metric(name, value, event["time_ms"], event["step"])
            for event in events
            for name, value in event["values"].items()
        ]
        for start in range(0, len(metrics), METRICS_PER_BATCH):
            self.client.log_batch(state["run_id"], metrics=metrics[start : start + METRICS_PER_BATCH])

    def _tags(self, event: Event, spool: Path, state: dict[str, Any]) -> None:
        tags = [RunTag(name, str(value)[:8000]) for name, value in event["values"].items()]
        self.client.log_batch(state["run_id"], tags=tags)

    def _artifact(self, event: Event, spool: Path, state: dict[str, Any]) -> None:
        folder = str(Path(event["name"]).parent)
        self.client.log_artifact(state["run_id"], event["path"], "" if folder == "." else folder)
        if event["table"]:
            state["tables"] = [*state.get("tables", []), {"path": event["name"], "type": "table"}]
            self.client.set_tag(state["run_id"], "mlflow.loggedArtifacts", json.dumps(state["tables"]))

    def _dataset(self, event: Event, spool: Path, state: dict[str, Any]) -> None:
        dataset = Dataset(
            name=event["name"],
            digest=event["digest"],
            source_type="local",
            source=json.dumps({"uri": event["source"]}),
            profile=json.dumps({"num_rows": event["rows"]}),
        )
        tag = InputTag("mlflow.data.context", event["context"])
        self.client.log_inputs(state["run_id"], [DatasetInput(dataset, [tag])])

    def _finish(self, event: Event, spool: Path, state: dict[str, Any]) -> None:
        self.client.set_terminated(state["run_id"], event["status"], event["time_ms"])

    @property
    def client(self) -> MlflowClient:
        """The MLflow client; a SQLite store is migrated by one process at a time."""
        if self._client is None:
            if self.uri.startswith("sqlite:///"):
                Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            with file_lock(home() / "locks" / "mlflow-schema.lock"):
                client = MlflowClient(self.uri)
                client.search_experiments(max_results=1)
            self._client = client
        return self._client

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            with file_lock(home() / "locks" / "mlflow-experiment.lock"):
                found = self.client.get_experiment_by_name(name)
                if found is not None and found.lifecycle_stage == LifecycleStage.DELETED:
                    self.client.restore_experiment(found.experiment_id)
                location = f"{artifact_root()}/{name}" if self.uri.startswith("sqlite") else None
                self._experiments[name] = (
                    found.experiment_id if found else self.client.create_experiment(name, location)
                )
        return self._experiments[name]


def _next_batch(pending: list[tuple[Event, int]]) -> tuple[list[Event], list[tuple[Event, int]]]:
    """A run of events that may be sent together: metrics up to the limit, or one other event."""
    batch: list[Event] = []
    count = 0
    for index, (event, offset) in enumerate(pending):
        size = len(event["values"]) if event["event"] == "metrics" else METRICS_PER_BATCH
        if batch and count + size > METRICS_PER_BATCH:
            return batch, pending[index:]
        batch.append({**event, "offset": offset})
        count += size
    return batch, []


def _parents_first(spools: list[Path]) -> list[Path]:
    """Spools ordered by when their runs were created, so that a parent has an id before its children."""
    return sorted((spool for spool in spools if spool.stat().st_size), key=lambda path: (_created(path), path.stem))


def _created(spool: Path) -> int:
    with spool.open("rb") as stream:
        first = parse_event(stream.readline())
    return int(first.get("order", 0)) if first else 0


def _state_path(spool: Path) -> Path:
    return spool.with_suffix(".state.json")


def _state(spool: Path) -> dict[str, Any]:
    path = _state_path(spool)
    return json.loads(path.read_text()) if path.exists() else {}
