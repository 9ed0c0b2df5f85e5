"""The ``rlhf`` command as a user starts it: a process of its own, in a working folder of the tests."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from tasks.engine.addresses import LOOPBACK, free_port

LIBRARIES = ("PREFECT_", "MLFLOW_", "RLHF_")
READY = "Ctrl-C stops them"


@dataclass(frozen=True)
class Rlhf:
    """Runs ``rlhf`` in ``home``."""

    home: Path

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(LIBRARIES)}
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=kept | {"RLHF_HOME": str(self.home), "COLUMNS": "100"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@dataclass(frozen=True)
class Servers:
    """A running ``rlhf up``."""

    process: "subprocess.Popen[str]"
    prefect: str
    mlflow: str


@contextmanager
def serving(home: Path) -> Iterator[Servers]:
    """``rlhf up`` running in ``home`` on ports that were free."""
    ports = [f"--{name}-port={free_port(LOOPBACK)}" for name in ("prefect", "mlflow")]
    process = Rlhf(home).start("up", *ports)
    try:
        said = read_until(process.stdout, READY)
        assert READY in said, process.communicate()
        urls = json.loads((home / "servers.json").read_text())
        yield Servers(process, urls["prefect"], urls["mlflow"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def read_until(stream: "IO[str] | None", text: str) -> str:
    """What ``stream`` says up to and with the line that has ``text`` in it, or up to its end."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if text in line:
            break
    return said


def gone(processes: Sequence[psutil.Process], within_seconds: float = 20.0) -> list[psutil.Process]:
    """Those of ``processes`` that are still there after a while; none, one hopes."""
    _, alive = psutil.wait_procs(processes, timeout=within_seconds)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
