"""Servers as processes: Prefect's and MLflow's, started under a guard, watched, and stopped without a trace."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.engine.addresses import LOOPBACK, answers
from tasks.engine.home import artifact_root, home

START_SECONDS = 180.0
POLL_SECONDS = 0.2


class ServerDied(RuntimeError):
    """A server is not running that should be; the message says which, why, and where its log is."""


@dataclass
class Server:
    """A server and the process that runs it."""

    name: str
    url: str
    command: Sequence[str]
    healthy: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return home() / "logs" / f"{self.name}.log"

    def start(self) -> None:
        """Start the server; it ends when this process does, however this process ends."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        search_path = os.pathsep.join(path for path in sys.path if path)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tasks.engine.guard", sys.executable, "-m", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": search_path, **self.environment},
                start_new_session=True,
            )

    def check_alive(self) -> None:
        """Raise ServerDied if the process has ended."""
        if self.process is None or self.process.poll() is None:
            return
        lines = self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ServerDied(f"{self.name} ended (status {self.process.returncode}): {lines[-1].strip()}; log: {self.log}")

    def wait(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return once the server answers. Raises ServerDied if it ends first or does not answer in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self.healthy():
            self.check_alive()
            if time.monotonic() > deadline:
                raise ServerDied(f"{self.name} did not answer in {timeout_seconds:.0f} s; log: {self.log}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server and everything that it started; returns when they are gone."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()


def prefect_server(host: str, port: int, ui: bool = True) -> Server:
    """Prefect's API, user interface and services; without ``ui`` what a single run needs: nothing is scheduled."""
    url = f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"
    environment = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_ENABLED": str(ui).lower(),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(ui).lower(),
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": str(ui).lower(),
        # Leases kept in memory are lost with the server, and with them the slots they hold.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    command = ["prefect", "server", "start", "--host", host, "--port", str(port)]
    return Server("prefect", url, command, lambda: answers(f"{url}/api/health"), environment)


def mlflow_server(port: int) -> Server:
    """MLflow's tracking server on loopback, over the SQLite file and the folder that runs without a server write."""
    url = f"http://{LOOPBACK}:{port}"
    folder = home() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    stores = {
        "--backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}",
        "--default-artifact-root": artifact_root(),
        "--artifacts-destination": artifact_root(),
    }
    for option, value in stores.items():
        command += [option, value]
    return Server("mlflow", url, command, lambda: answers(f"{url}/health"))
