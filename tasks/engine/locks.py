"""Locks that the kernel releases when their holder dies, however it dies.

Prefect's ``FileSystemLockManager`` leaves a lock file without expiry behind a killed holder, and the next run
waits for ever. These are ``flock`` locks (through ``filelock``): a dead process holds nothing.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.engine.home import home

POLL_SECONDS = 0.1


def file_lock(path: Path) -> FileLock:
    """A lock on ``path`` that any thread may release and that dies with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, thread_local=False)


class KernelLockManager:
    """A Prefect ``LockManager`` over kernel locks: one stage computes an artifact, the others wait for it.

    Waiting ends with ``InterruptedError`` once ``cancelled`` says so: another run may hold the lock for hours.
    """

    def __init__(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._cancelled = cancelled
        self._held: dict[str, tuple[str, FileLock]] = {}
        self._guard = threading.Lock()

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock of ``key``; False if it is still taken after ``acquire_timeout`` seconds."""
        if self.is_lock_holder(key, holder):
            return True
        lock = self._lock(key)
        if not self._take(lock, acquire_timeout):
            return False
        with self._guard:
            self._held[key] = (holder, lock)
        return True

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """As ``acquire_lock``, without blocking the event loop."""
        return await asyncio.to_thread(self.acquire_lock, key, holder, acquire_timeout, hold_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock of ``key`` back. Raises ValueError if ``holder`` does not hold it."""
        with self._guard:
            if key not in self._held or self._held[key][0] != holder:
                raise ValueError(f"{holder} does not hold the lock of {key}")
            lock = self._held.pop(key)[1]
        lock.release()

    def is_locked(self, key: str) -> bool:
        """Whether anyone, in this process or another, holds the lock of ``key``."""
        return not self.wait_for_lock(key, timeout=0)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether ``holder`` holds the lock of ``key`` in this process."""
        with self._guard:
            return key in self._held and self._held[key][0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the lock of ``key`` is free; False after ``timeout`` seconds."""
        lock = self._lock(key)
        free = self._take(lock, timeout)
        lock.release()
        return free

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """As ``wait_for_lock``, without blocking the event loop."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)

    def _take(self, lock: FileLock, timeout: float | None) -> bool:
        seconds = -1 if timeout is None else timeout
        try:
            lock.acquire(timeout=seconds, poll_interval=POLL_SECONDS, cancel_check=self._cancelled)
        except Timeout as error:
            if timeout is None:
                raise InterruptedError("cancelled while another run computes this") from error
            return False
        return True

    def _lock(self, key: str) -> FileLock:
        return file_lock(home() / "locks" / f"{key}.lock")


_TURN = threading.Lock()
"""One thread of this process looks for free cores at a time; a hundred that poll would need a core of their own."""


def core_count() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


@contextmanager
def cores(count: int, cancelled: threading.Event) -> Iterator[None]:
    """Hold ``count`` of this machine's cores (all of them if it has fewer), across every run of this folder.

    One taker at a time collects slots, so two stages that want several never deadlock. Raises
    ``InterruptedError`` when ``cancelled`` is set while waiting.
    """
    folder = home() / "locks" / "cores"
    slots = [file_lock(folder / f"{index}.lock") for index in range(core_count())]
    with ExitStack() as held:
        with _TURN, ExitStack() as queueing:
            _take(queueing, [file_lock(folder / "queue.lock")], 1, cancelled)
            _take(held, slots, min(count, len(slots)), cancelled)
        yield


def _take(held: ExitStack, locks: list[FileLock], count: int, cancelled: threading.Event) -> None:
    free = list(locks)
    while count:
        for lock in list(free):
            if count and try_lock(lock):
                held.callback(lock.release)
                free.remove(lock)
                count -= 1
        if count and cancelled.wait(POLL_SECONDS):
            raise InterruptedError("cancelled while waiting for a free core")


def try_lock(lock: FileLock) -> bool:
    """Take ``lock`` if it is free; never waits."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
