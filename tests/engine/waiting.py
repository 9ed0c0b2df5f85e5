"""Waiting for what another process does, with a deadline and without guessing how long it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 90.0) -> T:
    """The first truthy value of ``condition``. Raises TimeoutError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true in {seconds:.0f} s")
        time.sleep(0.02)
    return value
