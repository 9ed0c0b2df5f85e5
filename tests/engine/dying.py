"""Processes that are killed at every moment that matters, one after the other."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

FILE_OPERATIONS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"})


def die_at(operation: int, operations: frozenset[str]) -> None:
    """Send SIGKILL to this very process just before its ``operation``-th (from 0) of ``operations``."""
    seen = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in operations:
            return
        if seen == operation:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    sys.addaudithook(count)


def kill_at_each(
    action: Callable[[], object],
    after_death: Callable[[], object],
    operations: frozenset[str] = FILE_OPERATIONS,
) -> int:
    """Run ``action`` in a forked process killed before its first file operation, then its second, and so on.

    ``after_death`` is called after each death; ends when the process outlives all its operations. Returns the
    number of deaths. Fails if ``action`` raises.
    """
    deaths = 0
    while (status := _run_doomed(action, deaths, operations)) == -signal.SIGKILL:
        deaths += 1
        after_death()
    assert status == 0
    return deaths


def _run_doomed(action: Callable[[], object], operation: int, operations: frozenset[str]) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        die_at(operation, operations)
        action()
        os._exit(0)
    finally:
        os._exit(1)
