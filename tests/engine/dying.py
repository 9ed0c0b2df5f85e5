"""Processes that are killed at every moment that matters, one after the other."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

Moments = Callable[[Callable[[], None]], None]
"""Arranges that what it is given is called at each moment of interest in this process."""

FILE_OPERATIONS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"})


def file_operations(at_moment: Callable[[], None]) -> None:
    """Just before every file is opened, renamed or removed and every folder made."""
    sys.addaudithook(lambda event, _: at_moment() if event in FILE_OPERATIONS else None)


def calls_into(module: ModuleType) -> Moments:
    """Just after every call of a function that ``module`` defines."""

    def watch(at_moment: Callable[[], None]) -> None:
        def profile(frame: FrameType, event: str, argument: Any) -> None:
            if event == "return" and frame.f_code.co_filename == module.__file__:
                at_moment()

        sys.setprofile(profile)

    return watch


def kill_at_each(
    action: Callable[[], object], after_death: Callable[[], object], moments: Moments = file_operations
) -> int:
    """Run ``action`` in a forked process that is killed at its first moment, then one killed at its second, and so on.

    ``after_death`` is called after each death; ends when the process outlives all its moments. Returns the number
    of deaths. Fails if ``action`` raises.
    """
    deaths = 0
    while (status := _run_doomed(action, deaths, moments)) == -signal.SIGKILL:
        deaths += 1
        after_death()
    assert status == 0
    return deaths


def _run_doomed(action: Callable[[], object], survived: int, moments: Moments) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = iter(range(survived))
    try:
        moments(lambda: None if next(left, None) is not None else os.kill(os.getpid(), signal.SIGKILL))
        action()
        os._exit(0)
    finally:
        os._exit(1)
