"""A process that has imported torch once and forks a child for every stage, so that a stage starts in milliseconds.

It reads one JSON request a line on standard input (``{"ticket", "folder", "threads", "environment", "cwd"}``, or
``{"ticket", "kill"}``) and answers one line per finished child on standard output. It ends, and the kernel ends its
children, when its parent closes the pipe or dies; a child can therefore outlive neither a cancelled flow nor a killed
one.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from tasks.engine.worker import run_request, use_threads

PR_SET_PDEATHSIG = 1
PRELOAD = (
    "transformers.models.llama.modeling_llama",
    "tasks.data.labelling",
    "tasks.data.preferences",
    "tasks.policy.pretraining",
    "tasks.policy.preference",
    "tasks.evaluation.best_of_n",
    "tasks.evaluation.measuring",
    "tasks.engine.stage",
)
"""What stages import, brought in once; a stage that needs another module imports it itself."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent`` ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def fork_child(folder: Path, threads: int, environment: Mapping[str, str], cwd: str) -> int:
    """Start the stage requested in ``folder`` in a forked child; its output goes to ``log.txt`` there."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    die_with_parent(parent)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ |= environment
    os.chdir(cwd)
    use_threads(threads)
    run_request(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def serve() -> None:
    """Fork on request, report exits, end when the parent is gone."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for module in PRELOAD:
        importlib.import_module(module)
    alarm_read, alarm_write = os.pipe()
    os.set_blocking(alarm_write, False)
    signal.set_wakeup_fd(alarm_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tickets: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0, alarm_read], [], [])
        if alarm_read in ready:
            os.read(alarm_read, 4096)
            _report(tickets, answers)
        if 0 in ready:
            received = os.read(0, 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                _obey(json.loads(line), tickets)


def _obey(request: dict[str, Any], tickets: dict[int, int]) -> None:
    ticket = request["ticket"]
    if request.get("kill"):
        for pid in [pid for pid, one in tickets.items() if one == ticket]:
            os.killpg(pid, signal.SIGKILL)
        return
    child = fork_child(Path(request["folder"]), request["threads"], request["environment"], request["cwd"])
    tickets[child] = ticket


def _report(tickets: dict[int, int], answers: TextIO) -> None:
    while tickets:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        line = {"ticket": tickets.pop(pid, -1), "exit": os.waitstatus_to_exitcode(status)}
        answers.write(json.dumps(line) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
