"""Locks: one holder, and a holder that dies, however it dies, holds nothing."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from prefect.locking.protocol import LockManager
from waiting import until

from tasks.engine.home import home
from tasks.engine.locks import KernelLockManager, core_count, cores, file_lock, try_lock

NEVER = threading.Event()


def in_child(action: Callable[[], object]) -> int:
    """Run ``action`` in a forked process that lives on until it is killed; returns its id once ``action`` is done."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid:
        os.close(done)
        assert os.read(ready, 1) == b"."
        os.close(ready)
        return pid
    try:
        kept = action()
        os.write(done, b".")
        signal.pause()
        del kept
    finally:
        os._exit(1)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture
def locks(rlhf_home):
    return KernelLockManager()


def test_it_is_a_lock_manager_for_prefect(locks):
    assert isinstance(locks, LockManager)


def test_one_holder_at_a_time(locks):
    assert not locks.is_locked("key")
    assert locks.acquire_lock("key", "first")
    assert locks.is_locked("key")
    assert locks.is_lock_holder("key", "first")
    assert not locks.is_lock_holder("key", "second")
    assert locks.acquire_lock("key", "first")
    assert not locks.acquire_lock("key", "second", acquire_timeout=0.01)
    assert locks.acquire_lock("other key", "second")
    assert not locks.wait_for_lock("key", timeout=0.01)
    locks.release_lock("key", "first")
    assert locks.wait_for_lock("key", timeout=0.01)
    assert locks.acquire_lock("key", "second", acquire_timeout=0.01)


def test_only_the_holder_releases(locks):
    locks.acquire_lock("key", "first")
    for holder, key in (("second", "key"), ("first", "other key")):
        with pytest.raises(ValueError, match=holder):
            locks.release_lock(key, holder)
    assert locks.is_lock_holder("key", "first")


def test_without_blocking_the_event_loop(locks):
    async def hand_over() -> bool:
        await locks.aacquire_lock("key", "first")
        waiting = asyncio.create_task(locks.aacquire_lock("key", "second", acquire_timeout=30))
        assert not await locks.await_for_lock("key", timeout=0.01)
        locks.release_lock("key", "first")
        return await waiting

    assert asyncio.run(hand_over())
    assert locks.is_lock_holder("key", "second")


def test_another_manager_of_the_same_folder_waits_for_its_turn(locks):
    locks.acquire_lock("key", "first")
    order: list[str] = []

    def second() -> None:
        KernelLockManager().acquire_lock("key", "second")
        order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    until(thread.is_alive)
    order.append("first")
    locks.release_lock("key", "first")
    thread.join()
    assert order == ["first", "second"]


def test_a_waiter_goes_on_at_once_when_the_holder_is_killed(locks):
    holder = in_child(lambda: locks.acquire_lock("key", "doomed"))
    assert not locks.acquire_lock("key", "waiter", acquire_timeout=0.01)
    killer = threading.Timer(0.0, kill, [holder])
    started = time.monotonic()
    killer.start()
    assert locks.acquire_lock("key", "waiter", acquire_timeout=30)
    assert time.monotonic() - started < 5
    killer.join()


def test_a_killed_waiter_does_not_take_the_lock_with_it(locks):
    locks.acquire_lock("key", "first")
    reached = in_child(lambda: threading.Thread(target=KernelLockManager().acquire_lock, args=("key", "x")).start())
    kill(reached)
    locks.release_lock("key", "first")
    assert locks.acquire_lock("key", "second", acquire_timeout=5)


def test_waiting_for_another_run_ends_when_cancelled(locks):
    locks.acquire_lock("key", "another run")
    cancelled, ended = threading.Event(), []

    def wait() -> None:
        with pytest.raises(InterruptedError, match="cancelled"):
            KernelLockManager(cancelled.is_set).acquire_lock("key", "waiter")
        ended.append("waiter")

    thread = threading.Thread(target=wait)
    thread.start()
    cancelled.set()
    thread.join(10)
    assert ended == ["waiter"]
    assert locks.is_lock_holder("key", "another run")


def free_cores() -> int:
    """How many cores nobody holds."""
    slots = [file_lock(home() / "locks" / "cores" / f"{index}.lock") for index in range(core_count())]
    taken = [slot for slot in slots if try_lock(slot)]
    for slot in taken:
        slot.release()
    return len(taken)


def test_cores_are_held_and_given_back(rlhf_home):
    with cores(1, NEVER):
        assert free_cores() == core_count() - 1
    with cores(core_count() + 5, NEVER):
        assert free_cores() == 0
    assert free_cores() == core_count()


def test_a_killed_process_holds_no_core(rlhf_home):
    taking = ExitStack()
    holder = in_child(lambda: taking.enter_context(cores(core_count(), NEVER)))
    assert free_cores() == 0
    kill(holder)
    with cores(core_count(), NEVER):
        assert free_cores() == 0


def test_never_more_holders_than_cores_among_processes(rlhf_home):
    takers = 2 * core_count() + 1
    log = os.open(rlhf_home / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def take_turns() -> None:
        for _ in range(5):
            with cores(1, NEVER):
                os.write(log, b"+")
                os.write(log, b"-")

    children = [in_child(take_turns) for _ in range(takers)]
    for child in children:
        kill(child)
    held = highest = 0
    for sign in (rlhf_home / "log").read_text():
        held += 1 if sign == "+" else -1
        highest = max(highest, held)
    assert held == 0
    assert 1 <= highest <= core_count()
    assert (rlhf_home / "log").stat().st_size == 2 * 5 * takers


def test_who_wants_every_core_is_not_passed_over(rlhf_home):
    got_all, stop = threading.Event(), threading.Event()

    def take_one_again_and_again() -> None:
        while not stop.is_set():
            with cores(1, stop):
                pass

    def take_all() -> None:
        with cores(core_count(), NEVER):
            got_all.set()

    greedy = [threading.Thread(target=swallow_interruption, args=(take_one_again_and_again,)) for _ in range(4)]
    for thread in [*greedy, threading.Thread(target=take_all)]:
        thread.start()
    assert got_all.wait(60)
    stop.set()
    for thread in greedy:
        thread.join()


def swallow_interruption(action: Callable[[], object]) -> None:
    try:
        action()
    except InterruptedError:
        return


def test_waiting_for_a_core_ends_when_cancelled(rlhf_home):
    cancelled, found = threading.Event(), []

    def wait() -> None:
        with pytest.raises(InterruptedError, match="cancelled"), cores(1, cancelled):
            found.append("a core")

    with cores(core_count(), NEVER):
        thread = threading.Thread(target=wait)
        thread.start()
        cancelled.set()
        thread.join(10)
        assert not thread.is_alive()
    assert found == []
    assert free_cores() == core_count()
