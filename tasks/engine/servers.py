"""Prefect's server, MLflow's and the process that serves deployments: started, watched and stopped together."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.engine.files import write_json
from tasks.engine.home import artifact_root, home
from tasks.engine.locks import file_lock, try_lock
from tasks.engine.schema import UserError

LOOPBACK = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
HEARTBEAT_SECONDS = 60
START_SECONDS = 180.0
POLL_SECONDS = 0.2


class ServerDied(RuntimeError):
    """A server ended that should be running; the message says which and where its log is."""


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
        """Start the server under a guard: it ends when this process does, however this process ends."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        search_path = os.pathsep.join(path for path in sys.path if path)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tasks.engine.guard", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": search_path} | self.environment,
                start_new_session=True,
            )

    def check_alive(self) -> None:
        """Raise ServerDied if the process has ended."""
        if self.process is None or self.process.poll() is None:
            return
        lines = self.log.read_text(errors="replace").strip().splitlines()
        raise ServerDied(
            f"{self.name} ended with status {self.process.returncode}: "
            f"{lines[-1].strip() if lines else 'it said nothing'} (log: {self.log})"
        )

    def wait(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return once the server answers. Raises ServerDied if it ends first or does not answer in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self.healthy():
            self.check_alive()
            if time.monotonic() > deadline:
                raise ServerDied(f"{self.name} did not answer in {timeout_seconds:.0f} s (log: {self.log})")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server and everything it started; returns when they are gone."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def prefect_server(host: str, port: int, ui: bool = True) -> Server:
    """Prefect's API, user interface and services; without ``ui`` what a single run needs: nothing is scheduled."""
    url = f"http://{_reachable(host)}:{port}"
    environment = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_ENABLED": str(ui).lower(),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Leases in memory are lost with the server, and the slots they hold with them.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    if not ui:
        environment |= {
            "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    return Server("prefect", url, command, lambda: answers(f"{url}/api/health"), environment)


def mlflow_server(port: int) -> Server:
    """MLflow's tracking server, over the same SQLite file and folder that a run without a server writes."""
    url = f"http://{LOOPBACK}:{port}"
    folder = home() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--default-artifact-root", artifact_root(), "--artifacts-destination", artifact_root()),
    ]  # fmt: skip
    return Server("mlflow", url, command, lambda: answers(f"{url}/health"))


def choose_port(host: str, wanted: int, usual: int, option: str) -> int:
    """``wanted`` if one is (0: none), else the usual port, or a free one where that is taken.

    Raises UserError if the wanted port is taken.
    """
    if wanted:
        if _is_free(host, wanted):
            return wanted
        raise UserError(f"{option} {wanted}: the port is taken on {host}; name another or leave {option} out")
    if _is_free(host, usual):
        return usual
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_host(host: str) -> None:
    """Refuse to listen beyond this machine without a password. Raises UserError."""
    if host in {LOOPBACK, "localhost", "::1"} or os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return
    raise UserError(
        f"--host {host}: anyone who reaches this port could run code here; "
        "set PREFECT_SERVER_API_AUTH_STRING=user:password first (MLflow stays on 127.0.0.1 all the same)"
    )


def answers(url: str, timeout_seconds: float = 2.0) -> bool:
    """Whether ``url`` answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            return bool(200 <= response.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def announce(urls: Mapping[str, str]) -> None:
    """Tell other commands of this working folder where the servers are."""
    write_json(_addresses(), dict(urls))


def withdraw() -> None:
    """Take the announcement back."""
    _addresses().unlink(missing_ok=True)


def running_servers() -> dict[str, str]:
    """The environment that leads to this folder's servers; empty where none is up and well.

    What a killed `rlhf up` left behind is not believed: its lock is gone, whoever answers at its address now.
    """
    if not _addresses().is_file() or not is_locked(UP_LOCK):
        return {}
    urls = json.loads(_addresses().read_text())
    well = answers(f"{urls['prefect']}/api/health") and answers(f"{urls['mlflow']}/health")
    return {"PREFECT_API_URL": f"{urls['prefect']}/api", "MLFLOW_TRACKING_URI": urls["mlflow"]} if well else {}


UP_LOCK = "up.lock"


def is_locked(name: str) -> bool:
    """Whether a living process holds the lock ``name`` of this working folder."""
    lock = file_lock(home() / "locks" / name)
    if not try_lock(lock):
        return True
    lock.release()
    return False


def _addresses() -> Path:
    return home() / "servers.json"


def _reachable(host: str) -> str:
    return LOOPBACK if host in {"0.0.0.0", "::", "localhost"} else host


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
