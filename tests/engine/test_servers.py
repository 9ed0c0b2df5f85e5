import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.engine.addresses import (
    LOOPBACK,
    announced,
    answers,
    check_host,
    choose_port,
    free_port,
    only_servers,
    running_servers,
    servers_are_up,
)
from tasks.engine.schema import UserError
from tasks.engine.servers import Server, ServerDied


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLHF_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def file_server(port: int, *arguments: str) -> Server:
    url = f"http://{LOOPBACK}:{port}"
    return Server("files", url, ["http.server", str(port), "--bind", LOOPBACK, *arguments], lambda: answers(url))


def family(pids: Path) -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in pids.read_text().split()]


@pytest.mark.usefixtures("home")
def test_a_server_is_started_waited_for_and_stopped() -> None:
    server = file_server(free_port(LOOPBACK))
    server.start()
    server.wait()
    assert answers(server.url)
    server.check_alive()
    server.stop()
    assert not answers(server.url)


@pytest.mark.parametrize("manner", ["", "--stubborn"])
def test_nothing_that_a_server_started_outlives_its_stop(
    home: Path, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = home / "pids"
    server = Server("breeding", "", ["breeding", str(pids), *manner.split()], pids.exists)
    server.start()
    server.wait()
    processes = family(pids)
    assert len(processes) == 4
    server.stop()
    assert not [process for process in processes if process.is_running()]


def test_nothing_of_a_server_outlives_a_killed_owner(home: Path) -> None:
    pids = home / "pids"
    code = f"""

from pathlib import Path
from tasks.engine.servers import Server
server = Server("breeding", "", ["breeding", {str(pids)!r}], Path({str(pids)!r}).exists)
server.start()
server.wait()
print("up", flush=True)
time.sleep(60)
"""
    search_path = [str(Path(__file__).parent), *filter(None, sys.path)]
    owner = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {search_path!r}\n{code}"], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    processes = family(pids) + psutil.Process(owner.pid).children()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


def test_a_server_that_ends_is_named_with_its_last_words_and_its_log(home: Path, listening: int) -> None:
    server = file_server(listening)
    server.healthy = lambda: False
    server.start()
    with pytest.raises(ServerDied, match=r"files ended \(status 1\): .*Address already in use; log: .*files\.log"):
        server.wait()
    server.stop()


@pytest.mark.usefixtures("home")
def test_a_server_that_never_answers_is_given_up() -> None:
    server = file_server(free_port(LOOPBACK))
    server.healthy = lambda: False
    server.start()
    with pytest.raises(ServerDied, match="files did not answer in 1 s"):
        server.wait(timeout_seconds=1.0)
    server.stop()


def test_a_port_that_is_taken_is_replaced_or_refused(listening: int) -> None:
    assert choose_port(LOOPBACK, 0, listening, "--port") != listening
    with pytest.raises(UserError, match=rf"--port {listening}: the port is taken"):
        choose_port(LOOPBACK, listening, 4200, "--port")
    free = free_port(LOOPBACK)
    assert choose_port(LOOPBACK, free, 4200, "--port") == free
    assert choose_port(LOOPBACK, 0, free, "--port") == free


def test_listening_beyond_this_machine_wants_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    check_host(LOOPBACK)
    check_host("localhost")
    with pytest.raises(UserError, match=r"--host 0\.0\.0\.0: .*PREFECT_SERVER_API_AUTH_STRING"):
        check_host("0.0.0.0")
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "user:password")
    check_host("0.0.0.0")


def test_only_living_healthy_servers_are_found(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "api").mkdir()
    for path in ("api/health", "health"):
        (site / path).write_text("true")
    server = file_server(free_port(LOOPBACK), "--directory", str(site))
    server.start()
    server.wait()
    assert running_servers() == {}
    with only_servers(), announced(server.url, server.url):
        assert servers_are_up()
        assert running_servers() == {"PREFECT_API_URL": f"{server.url}/api", "MLFLOW_TRACKING_URI": server.url}
        with pytest.raises(UserError, match="already running"), only_servers():
            pass
        server.stop()
        assert running_servers() == {}
    (home / "servers.json").write_text(json.dumps({"prefect": server.url, "mlflow": server.url}))
    assert not servers_are_up()
    assert running_servers() == {}
