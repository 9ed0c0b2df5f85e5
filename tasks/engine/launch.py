"""Launching a stage in a process of its own, and never leaving one behind."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine.files import write_json
from tasks.engine.locks import cores
from tasks.engine.schema import UserError
from tasks.engine.worker import OUTCOME, REQUEST

PROGRESS_SECONDS = 0.5
TUNING = {
    # How long an OpenMP thread spins before it sleeps. The default (300,000) makes a stage with two threads five
    # times slower than with one as soon as anything else wants a core; on a quiet machine this costs little.
    "GOMP_SPINCOUNT": "2000",
    # Keep freed memory for the next step instead of giving it back: 8 % faster training of small models.
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
}
"""Read by libgomp and glibc when a process starts; what the user has set is kept."""


class WorkerLost(RuntimeError):
    """A stage's process ended without an outcome: killed, out of memory, or crashed. Worth a retry."""


class StageFailed(RuntimeError):
    """A stage raised; the message is the cause, the log has the traceback."""


class Cancelled(RuntimeError):
    """The run was cancelled before or while the stage ran."""


class Launcher:
    """Runs stages in children of one zygote. Thread-safe; one per process that runs flows."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._exits: dict[str, int] = {}
        self._changed = threading.Condition()
        self.cancelled = threading.Event()

    def warm_up(self) -> None:
        """Start importing torch in the background, so that the first stage does not wait for it."""
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                return
            search_path = os.pathsep.join(path for path in sys.path if path)
            environment = TUNING | os.environ | {
                "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": search_path
            }  # fmt: skip
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tasks.engine.zygote"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env=environment,
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

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
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
        with self._changed:
            self._changed.notify_all()

    def _run_child(self, folder: Path, threads: int, on_wait: Callable[[], None]) -> int:
        self.warm_up()
        name = str(folder)
        zygote = self._send({"folder": name, "threads": threads})
        try:
            while not self.cancelled.is_set():
                with self._changed:
                    if name not in self._exits:
                        self._changed.wait(PROGRESS_SECONDS)
                    if name in self._exits:
                        return self._exits.pop(name)
                if zygote.poll() is not None:
                    raise WorkerLost(f"the process that stages are forked from ended with status {zygote.returncode}")
                on_wait()
        except BaseException:
            self._send({"folder": name, "kill": 1})
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

    def _send(self, message: dict[str, Any]) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._process is None or self._process.stdin is None:
                raise Cancelled("the run was cancelled")
            try:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError as error:
                raise WorkerLost("the process that stages are forked from has ended") from error
            return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            report = json.loads(line)
            with self._changed:
                self._exits[report["folder"]] = report["exit"]
                self._changed.notify_all()
