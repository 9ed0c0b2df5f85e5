"""Where servers listen, and how other commands of the same working folder find them."""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tasks.engine.files import write_json
from tasks.engine.home import home
from tasks.engine.locks import file_lock, try_lock
from tasks.engine.schema import UserError

LOOPBACK = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000


def choose_port(host: str, wanted: int, usual: int, option: str) -> int:
    """``wanted`` unless it is 0; else the usual port, or any free one where that is taken.

    Raises UserError if the wanted port is taken.
    """
    if _is_free(host, wanted or usual):
        return wanted or usual
    if wanted:
        raise UserError(f"{option} {wanted}: the port is taken on {host}; name another or leave {option} out")
    return free_port(host)


def free_port(host: str) -> int:
    """A port on ``host`` that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_host(host: str) -> None:
    """Refuse to listen beyond this machine without a password. Raises UserError."""
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise UserError(f"--host {host}: no such address") from error
    if not address.startswith("127.") and not os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        raise UserError(
            f"--host {host}: anyone who reaches this port could run code here; set "
            "PREFECT_SERVER_API_AUTH_STRING=user:password first (MLflow, which has no password, stays on loopback)"
        )


def pass_password_on() -> None:
    """Let clients in this process, and in those it starts, use the password that the server is given."""
    password = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    if password:
        os.environ.setdefault("PREFECT_API_AUTH_STRING", password)


def answers(url: str, timeout_seconds: float = 2.0) -> bool:
    """Whether ``url`` answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            return bool(200 <= response.status < 300)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def only_servers() -> Iterator[None]:
    """Hold the right to run this working folder's servers. Raises UserError if somebody has it."""
    lock = file_lock(_lock_path())
    if not try_lock(lock):
        raise UserError(f"{home()}: `rlhf up` is already running here")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def announced(prefect: str, mlflow: str) -> Iterator[None]:
    """Tell other commands of this working folder the servers' URLs while this is open."""
    write_json(_addresses(), {"prefect": prefect, "mlflow": mlflow})
    try:
        yield
    finally:
        _addresses().unlink(missing_ok=True)


def servers_are_up() -> bool:
    """Whether somebody runs this working folder's servers, well or not."""
    lock = file_lock(_lock_path())
    if try_lock(lock):
        lock.release()
        return False
    return True


def running_servers() -> Mapping[str, str]:
    """The environment variables that lead to this folder's servers; empty unless they are up and well.

    What a killed `rlhf up` left behind is not believed, whoever answers at its address by now.
    """
    if not _addresses().is_file() or not servers_are_up():
        return {}
    urls = json.loads(_addresses().read_text())
    if not answers(f"{urls['prefect']}/api/health") or not answers(f"{urls['mlflow']}/health"):
        return {}
    return {"PREFECT_API_URL": f"{urls['prefect']}/api", "MLFLOW_TRACKING_URI": urls["mlflow"]}


def _addresses() -> Path:
    return home() / "servers.json"


def _lock_path() -> Path:
    return home() / "locks" / "servers.lock"


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
