"""Checks programs, several at a time, each in sandboxes of its own."""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.inside.checker import FAILED, PASSED, STARTED
from tasks.evaluation.sandbox.inside.codec import TooLarge
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Outcome, Program
from tasks.evaluation.sandbox.sandboxed import Sandboxed

ANY_CORE = -1
WATCH_SECONDS = 0.02
START_SECONDS = 60.0
"""Longest start of two sandboxes; a machine that takes longer is too busy to time anything."""

RIGHT = Program(
    "a program that is right",
    "import collections, decimal, json, typing\ndef echo(x: typing.Any):\n    open('x', 'w').close()\n    return x\n",
    "import json, typing\nassert echo([1, {'a': (2.5, None)}]) == [1, {'a': (2.5, None)}]\n",
    ("echo",),
)


def run_programs(programs: Sequence[Program], limits: Limits, workers: int = 0) -> list[Outcome]:
    """Check every program; outcomes in the order of ``programs``.

    A program and its test run in two sandboxes, and only the test's side can write the verdict: whatever the program
    does to its own interpreter, it can but answer calls (rightly or wrongly), answer none, or end. Each program has one
    core, so that one that takes all it can get does not make its neighbours late.

    Args:
        programs: What to check.
        limits: Of each program.
        workers: Programs at a time; 0: one a core.

    Raises:
        UserError: sandboxes cannot be started here, or fail a program that is right, with what to do about it.
    """
    require_sandbox(limits)
    usable = cores()
    workers = workers or len(usable)
    free: SimpleQueue[int] = SimpleQueue()
    for number in range(workers):
        free.put(usable[number % len(usable)] if limits.isolation == "bubblewrap" else ANY_CORE)

    def run(program: Program) -> Outcome:
        core = free.get()
        try:
            return run_program(program, limits, core)
        finally:
            free.put(core)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, programs))


def cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return sorted(os.sched_getaffinity(0)) if known else [ANY_CORE] * (os.cpu_count() or 1)


def require_sandbox(limits: Limits) -> None:
    """Raises UserError unless a program that is right passes here: what fails it would fail the model's too."""
    require_isolation(limits)
    tried = run_program(RIGHT, limits.model_copy(update={"wall_seconds": START_SECONDS}))
    if not tried.passed:
        raise UserError(
            f"a program that is right fails in the sandbox here ({tried.reason}); widen the limits of memory, "
            f"processes and files, and see that every user may read Python's library below {sys.base_prefix}"
        )


def run_program(program: Program, limits: Limits, core: int = ANY_CORE) -> Outcome:
    """Check one program on one ``core``. Raises UserError if its sandboxes could not be started."""
    job = {"source": program.source, "names": list(program.names)}
    test = {"setup": program.setup, "test": program.test, "names": list(program.names)}
    with ExitStack() as stack:
        ours, theirs = map(stack.enter_context, socket.socketpair())
        reading, writing = os.pipe()
        verdict = stack.enter_context(os.fdopen(reading, "rb", 0))
        verdict_end = stack.enter_context(os.fdopen(writing, "wb", 0))
        try:
            with on_core(core):
                candidate = stack.enter_context(Sandboxed("candidate", job, limits, (theirs.fileno(),)))
                checking = (ours.fileno(), verdict_end.fileno())
                checker = stack.enter_context(Sandboxed("checker", test, limits, checking))
        except TooLarge as error:
            return Outcome(program.sample_id, False, f"the program or its test is {error}", 0.0)
        for end in (ours, theirs, verdict_end):
            end.close()
        reason, seconds = watch(verdict.fileno(), candidate, checker, limits)
        if not reason:
            said = candidate.said() or checker.said() or "no message"
            raise UserError(
                f"{program.sample_id}: its sandbox did not start ({said}); check the limits of memory and processes, "
                "and whether this machine has any left"
            )
    return Outcome(program.sample_id, reason == "passed", reason, seconds)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Within it, what this thread starts keeps to a core for good."""
    if core == ANY_CORE:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def watch(verdict: int, candidate: Sandboxed, checker: Sandboxed, limits: Limits) -> tuple[str, float]:
    """Wait for the verdict of the checker's pipe, a limit or the end of time.

    Returns:
        ``passed`` or why not, and the seconds since the program's start; an empty reason if it never started.
    """
    poll = select.poll()
    poll.register(verdict, select.POLLIN)
    said, started, deadline = b"", 0.0, time.monotonic() + START_SECONDS
    while (now := time.monotonic()) < deadline:
        ended = False
        if poll.poll(1000 * min(WATCH_SECONDS, deadline - now)):
            received = os.read(verdict, 4096)
            said, ended = said + received, not received
        now = time.monotonic()
        if not started and said.startswith(STARTED + b"\n"):
            started, deadline = now, now + limits.wall_seconds
        if reason := final_reason(said):
            return reason, now - started
        if not started and (ended or said):
            return "", 0.0
        if ended:
            return "the check ended without a verdict", now - started
        if started and (overuse := candidate.overuse() or checker.overuse()):
            return overuse, now - started
    return (f"timed out after {limits.wall_seconds:g} s", limits.wall_seconds) if started else ("", 0.0)


def final_reason(said: bytes) -> str:
    """The verdict among the events that the checker has written so far; empty if there is none yet."""
    events = said.split(b"\n")[:-1]
    if events == [STARTED, PASSED]:
        return "passed"
    if len(events) == 2 and events[0] == STARTED and events[1].startswith(FAILED):
        return events[1][len(FAILED) :].decode(errors="replace") or "failed"
    return ""
