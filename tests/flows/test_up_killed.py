"""``rlhf up`` is killed; the last of the files whose tests use it."""

import socket
from pathlib import Path

import psutil
from commands import Servers, gone

from tasks.engine.addresses import LOOPBACK


def test_nothing_outlives_a_kill(servers: Servers, working_home: Path) -> None:
    family = psutil.Process(servers.process.pid).children(recursive=True)
    assert len(family) >= 6
    servers.process.kill()
    servers.process.wait()
    assert not gone(family)
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, int(servers.mlflow.rpartition(":")[2]))) != 0
    assert (working_home / "servers.json").exists()
