"""``rlhf up`` for real: three servers, what they know, and that nothing of them stays."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
from commands import Rlhf, Servers

from flows.deployments import deployment_names
from tasks.engine.addresses import LOOPBACK, answers


def ask(servers: Servers, path: str, **body: object) -> Any:
    request = Request(
        f"{servers.prefect}/api/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urlopen(request, timeout=10) as response:
        return json.load(response)


def test_everything_is_up_on_loopback(servers: Servers) -> None:
    assert answers(f"{servers.prefect}/api/health")
    assert answers(f"{servers.mlflow}/health")
    known = ask(servers, "deployments/filter")
    flows = {one["id"]: one["name"] for one in ask(servers, "flows/filter")}
    assert {f"{flows[one['flow_id']]}/{one['name']}" for one in known} == set(deployment_names())
    assert all(one["status"] == "READY" for one in known)
    family = psutil.Process(servers.process.pid).children(recursive=True)
    addresses = {link.laddr.ip for one in family for link in one.net_connections() if link.status == "LISTEN"}
    assert addresses == {LOOPBACK}


def test_nightly_runs_are_scheduled_but_not_on_the_gpu(servers: Servers) -> None:
    names = {one["id"]: one["name"] for one in ask(servers, "deployments/filter")}
    deadline, scheduled = time.monotonic() + 60, set()
    while scheduled != {"smoke", "laptop"} and time.monotonic() < deadline:
        runs = ask(servers, "flow_runs/filter", limit=200)
        scheduled = {names[run["deployment_id"]] for run in runs if run["auto_scheduled"]}
        time.sleep(0.5)
    assert scheduled == {"smoke", "laptop"}


def test_dead_runs_are_watched_for(servers: Servers) -> None:
    (watch,) = ask(servers, "automations/filter")
    assert watch["enabled"]
    assert watch["trigger"]["within"] == 180.0
    assert watch["actions"][0]["state"] == "CRASHED"


def test_a_second_one_and_a_cleaning_are_refused(servers: Servers, working_home: Path) -> None:
    for command in (["up"], ["clean", "--yes"]):
        result = Rlhf(working_home)(*command)
        assert result.returncode == 2
        (line,) = result.stderr.strip().splitlines()
        assert "`rlhf up` is" in line


def test_a_port_that_is_asked_for_and_taken_is_refused(servers: Servers, tmp_path: Path) -> None:
    port = servers.prefect.rpartition(":")[2]
    result = Rlhf(tmp_path)("up", "--prefect-port", port)
    assert result.returncode == 2
    assert result.stderr.startswith(f"--prefect-port {port}: the port is taken on 127.0.0.1")
