"""Launching a stage in a process of its own, and never leaving one behind."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine.files import write_json
from tasks.engine.fork_server import ForkServer, ForkServerEnded, leave_fork_server, take_fork_server
from tasks.engine.locks import cores
from tasks.engine.schema import UserError
from tasks.engine.worker import OUTCOME, REQUEST

PROGRESS_SECONDS = 0.5


class WorkerLost(RuntimeError):
    """A stage's process ended without an outcome: killed, out of memory, or crashed. Worth a retry."""


class StageFailed(RuntimeError):
    """A stage raised; the message is the cause, the log has the traceback."""


class Cancelled(RuntimeError):
    """The run was cancelled before or while the stage ran."""


class Launcher:
    """Runs stages in children of one fork server. Thread-safe; one per run of a flow."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._server: ForkServer | None = None
        self.cancelled = threading.Event()

    def warm_up(self) -> ForkServer:
        """Start importing torch in the background, so that the first stage does not wait for it."""
        with self._guard:
            if self.cancelled.is_set():
                raise Cancelled("the run was cancelled")
            if self._server is None or self._server.returncode is not None:
                self._server = take_fork_server()
            return self._server

    def run(
        self,
        folder: Path,
        request: dict[str, Any],
        threads: int,
        on_start: Callable[[], None] = lambda: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Any:
        """Run ``request`` in a child that holds ``threads`` cores; returns the JSON of its result.

        ``on_start`` is called when the cores are there, ``on_wait`` about twice a second while the child runs.

        Raises UserError for a fault the user can put right, StageFailed for any other exception in the stage,
        WorkerLost if the process died, Cancelled after ``close``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OUTCOME).unlink(missing_ok=True)
        write_json(folder / REQUEST, request)
        try:
            with cores(threads, self.cancelled):
                on_start()
                exit_code = self._run_child(folder, threads, on_wait)
        except InterruptedError as error:
            raise Cancelled("the run was cancelled") from error
        return self._outcome(folder, exit_code)

    def close(self) -> None:
        """End every child now. Stages that were running raise Cancelled; their checkpoints stay."""
        self.cancelled.set()
        with self._guard:
            server, self._server = self._server, None
        if server is not None:
            leave_fork_server(server)
            server.wake()

    def _run_child(self, folder: Path, threads: int, on_wait: Callable[[], None]) -> int:
        server = self.warm_up()
        try:
            return self._wait(server, server.fork(str(folder), threads), on_wait)
        except ForkServerEnded as error:
            if self.cancelled.is_set():
                raise Cancelled("the run was cancelled") from error
            raise WorkerLost(
                f"the process that stages are forked from ended with status {server.returncode}"
            ) from error

    def _wait(self, server: ForkServer, ticket: int, on_wait: Callable[[], None]) -> int:
        try:
            while not self.cancelled.is_set():
                exit_code = server.exit_of(ticket, PROGRESS_SECONDS)
                if exit_code is not None:
                    return exit_code
                if server.returncode is not None:
                    raise ForkServerEnded
                on_wait()
        except BaseException:
            with suppress(ForkServerEnded):
                server.kill(ticket)
            raise
        raise Cancelled("the run was cancelled")

    def _outcome(self, folder: Path, exit_code: int) -> Any:
        path = folder / OUTCOME
        if not path.is_file():
            raise WorkerLost(f"the stage's process ended with status {exit_code} and no outcome; log: {folder}/log.txt")
        outcome = json.loads(path.read_text())
        if "error" in outcome:
            raise (UserError if outcome["user_error"] else StageFailed)(outcome["error"])
        return outcome["result"]
