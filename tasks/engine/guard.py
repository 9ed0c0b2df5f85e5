"""A process between a program and a server it starts, so that nothing of the server outlives the program.

``python -m tasks.engine.guard COMMAND...`` runs COMMAND until standard input is closed, which the kernel does
when the program that holds the other end dies, however it dies. Then the server is asked to stop and, after a
while, ended with everything that it has started: the guard is the reaper of its orphans, so none gets away.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import psutil

from tasks.engine.zygote import die_with_parent

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5.0


def run(command: list[str]) -> int:
    """Run ``command`` as described above; returns its exit status (negative: the signal that ended it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
    server = psutil.Process(_fork(command))
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: _signal(server, signal.SIGTERM))
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    status = server.wait()
    end_processes(psutil.Process().children(recursive=True))
    return int(status or 0)


def end_processes(processes: list[psutil.Process], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask ``processes`` to end, wait, and kill those that have not."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=grace_seconds)


def _fork(command: list[str]) -> int:
    """Start ``command`` in a child that the kernel kills should this process be killed; its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    die_with_parent(parent)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _stop_at_end_of_input(server: psutil.Process) -> None:
    while os.read(0, 4096):
        pass
    _signal(server, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _signal(server, signal.SIGKILL)


def _signal(process: psutil.Process, signum: signal.Signals) -> None:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    status = run(sys.argv[1:])
    sys.exit(status if status >= 0 else 128 - status)
