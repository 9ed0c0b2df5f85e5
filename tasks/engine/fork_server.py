"""The parent's end of the process that stages are forked from."""

import itertools
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

KEEP_VARIABLE = "RLHF_KEEP_FORK_SERVER"
"""If set, a process that runs flow after flow imports torch for its stages once: the next run takes the last one's."""
TUNING = {
    # How long an OpenMP thread spins before it sleeps. The default (300,000) makes a stage with two threads five
    # times slower than with one as soon as anything else wants a core; on a quiet machine this costs little.
    "GOMP_SPINCOUNT": "2000",
    # Keep freed memory for the next step instead of giving it back: 8 % faster training of small models.
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
}
"""Read by libgomp and glibc when a process starts; what the user has set is kept."""


class ForkServerEnded(RuntimeError):
    """The process that stages are forked from is gone, and every stage with it."""


class ForkServer:
    """Forks a child a stage and reports how it ended. Thread-safe; ends when this process does."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._changed = threading.Condition()
        self._tickets = itertools.count()
        self._exits: dict[int, int] = {}
        self._running: set[int] = set()
        self.search_path = _search_path()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tasks.engine.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=self._environment(1),
        )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process that stages are forked from."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it lives."""
        return self._process.poll()

    @property
    def idle(self) -> bool:
        """Whether it lives and has no children."""
        with self._changed:
            return self.returncode is None and not self._running

    def fork(self, folder: str, threads: int) -> int:
        """Start the stage requested in ``folder``, in this process's environment and working folder as they are now.

        Returns a ticket of this start's own: a stage that was ended and is started again ends a second time.
        Raises ForkServerEnded.
        """
        with self._changed:
            ticket = next(self._tickets)
            self._running.add(ticket)
        environment = self._environment(threads)
        here = {"folder": folder, "threads": threads, "environment": environment, "cwd": str(Path.cwd())}
        self._send({"ticket": ticket, **here})
        return ticket

    def kill(self, ticket: int) -> None:
        """End that stage now. Raises ForkServerEnded."""
        self._send({"ticket": ticket, "kill": 1})

    def exit_of(self, ticket: int, seconds: float) -> int | None:
        """How that stage ended, if it does within ``seconds``."""
        with self._changed:
            if ticket not in self._exits:
                self._changed.wait(seconds)
            return self._exits.pop(ticket, None)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def end(self) -> None:
        """End it and every child."""
        self._process.kill()
        self._process.wait()
        with self._guard, suppress(BrokenPipeError):
            self._stdin.close()

    def _environment(self, threads: int) -> dict[str, str]:
        own = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "PYTHONPATH": self.search_path}
        return TUNING | os.environ | own

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _send(self, message: dict[str, object]) -> None:
        with self._guard:
            try:
                self._stdin.write(json.dumps(message).encode() + b"\n")
                self._stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                raise ForkServerEnded from error

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            with self._changed:
                self._running.discard(report["ticket"])
                self._exits[report["ticket"]] = report["exit"]
                self._changed.notify_all()


_kept: list[ForkServer] = []
_keeping = threading.Lock()


def take_fork_server() -> ForkServer:
    """The one that an earlier run of this process has left, if it still does; or a new one."""
    with _keeping:
        fitting = [one for one in _kept if one.idle and one.search_path == _search_path()]
        for one in _kept:
            if one not in fitting[:1]:
                one.end()
        _kept.clear()
    return fitting[0] if fitting else ForkServer()


def leave_fork_server(server: ForkServer) -> None:
    """End it, or keep it for the next run of this process where ``$RLHF_KEEP_FORK_SERVER`` asks for that."""
    if os.environ.get(KEEP_VARIABLE) and server.idle:
        with _keeping:
            _kept.append(server)
    else:
        server.end()


def _search_path() -> str:
    return os.pathsep.join(path for path in sys.path if path)
