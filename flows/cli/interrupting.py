"""Ending a run from the keyboard."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from flows.cli.output import say_error

R = TypeVar("R")
INTERRUPTED = 130
PATIENCE_SECONDS = 10.0


def interruptible(work: Callable[[], R]) -> R:
    """Do ``work``; SIGINT and SIGTERM end its stages and close its tracked runs in order, but not for long.

    Then, or at the second signal, the process exits with status 130.
    """
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    try:
        return work()
    except KeyboardInterrupt:
        _leave_now()


def _interrupt(signum: int, frame: object) -> NoReturn:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: _leave_now())
    last_call = threading.Timer(PATIENCE_SECONDS, _leave_now)
    last_call.daemon = True
    last_call.start()
    raise KeyboardInterrupt


def _leave_now() -> NoReturn:
    """Exit without waiting for threads; stages and servers end with this process, and checkpoints are whole."""
    say_error("interrupted; the same command resumes")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
