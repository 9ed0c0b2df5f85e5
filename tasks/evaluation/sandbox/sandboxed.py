"""One process in a sandbox of its own: started, watched, ended with everything that it started."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from tasks.evaluation.sandbox.inside.codec import TooLarge, encode
from tasks.evaluation.sandbox.isolation import (
    ENVIRONMENT,
    bubblewrap_command,
    inner_folders,
    python_command,
    resources,
    spare_user,
)
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.system_calls import system_call_filter

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sandboxed:
    """A running process of ``inside/``; use it in a ``with``, whose end ends the process and its descendants.

    Raises TooLarge if the job cannot be sent.
    """

    def __init__(self, process: str, job: dict[str, Any], limits: Limits, descriptors: tuple[int, ...]) -> None:
        content = encode(job | confinement(limits), no_reference)
        self.limits = limits
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.folder = tempfile.TemporaryDirectory() if limits.isolation == "none" else None
        self.information, told = os.pipe()
        with tempfile.TemporaryFile() as filters, tempfile.TemporaryFile() as jobs:
            filters.write(system_call_filter() if limits.isolation == "bubblewrap" else b"")
            jobs.write(content)
            filters.seek(0)
            jobs.seek(0)
            command = python_command(limits, process, *descriptors)
            if not self.folder:
                command = bubblewrap_command(limits, filters.fileno(), told) + command
            try:
                self.process = subprocess.Popen(
                    command, stdin=jobs, stdout=subprocess.DEVNULL, stderr=self.errors, start_new_session=True,
                    pass_fds=(*descriptors, filters.fileno(), told), env=ENVIRONMENT if self.folder else None,
                    cwd=self.folder.name if self.folder else "/",
                )  # fmt: skip
            finally:
                os.close(told)
        self._first = 0

    def __enter__(self) -> "Sandboxed":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def first(self) -> int:
        """The number, outside, of the process whose end ends all in the sandbox; waits until it has been started."""
        if not self._first:
            if self.folder:
                self._first = self.process.pid
            else:
                told = b""
                while b"}" not in told and (part := os.read(self.information, 4096)):
                    told += part
                self._first = int(json.loads(told)["child-pid"]) if told else self.process.pid
        return self._first

    def end(self) -> None:
        """Kill everything in the sandbox, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            first = self.first()
            if self.process.poll() is None:
                if self.folder:
                    os.killpg(first, signal.SIGKILL)
                else:
                    os.kill(first, signal.SIGKILL)
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.information)
        self.errors.close()
        if self.folder:
            self.folder.cleanup()

    def said(self) -> str:
        """What went wrong before the process closed its standard error."""
        self.errors.seek(0)
        return " ".join(self.errors.read(4000).decode(errors="replace").split())

    def overuse(self) -> str:
        """What of memory or files is used beyond the limits by all processes together; empty if nothing is."""
        if self.folder:
            return ""
        root = Path(f"/proc/{self.first()}/root")
        try:
            mib = sum(map(resident_bytes, (root / "proc").glob("[0-9]*"))) / 2**20
            usage = os.statvfs(root / "tmp")
        except PermissionError:
            return "cannot be watched"
        except OSError:
            return ""
        if mib > self.limits.memory_mib:
            return f"used more than {self.limits.memory_mib} MiB of memory"
        if usage.f_files - usage.f_ffree > self.limits.files:
            return f"made more than {self.limits.files} files"
        return ""


def confinement(limits: Limits) -> dict[str, Any]:
    """What ``confine`` wants to know."""
    isolated = limits.isolation == "bubblewrap"
    return {
        "user": spare_user() if isolated else 0,
        "limits": resources(limits),
        "strict": isolated,
        "libraries": inner_folders(limits),
    }


def no_reference(value: Any) -> tuple[int, str]:
    """A job holds none."""
    raise TooLarge(type(value).__name__)


def resident_bytes(process: Path) -> int:
    """Memory of a process by its folder in ``/proc``; 0 if it is gone."""
    try:
        return int((process / "statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0
