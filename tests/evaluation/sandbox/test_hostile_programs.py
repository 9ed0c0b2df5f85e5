"""Hostile programs, all at once and among honest ones: none passes, none gets out, no honest verdict changes."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hostile_programs import ATTACKS, HARMLESS_UNISOLATED, hostile_programs

from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Outcome, Program
from tasks.evaluation.sandbox.running import run_programs

LIMITS = Limits(wall_seconds=1.5, memory_mib=256, file_mib=8, files=2000)
TEST = "assert add(2, 3) == 5\nassert add(20, 30) == 50\nassert add(-1, 1) == 0\n"
HONEST = {
    True: "def add(a, b):\n    return a + b\n",
    False: "def add(a, b):\n    return a - b\n",
}
SECRET = "the-secret-of-the-environment"


@dataclass
class Host:
    """What an attack could reach: a folder with a secret file and a socket, a port, an abstract socket."""

    folder: Path
    facts: dict[str, str]
    listener: socket.socket


@dataclass
class Aftermath:
    outcomes: dict[str, Outcome]
    honest: dict[str, bool]
    before: dict[str, bytes]
    after: dict[str, bytes]
    connected: bool
    left: list[str]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    folder.chmod(0o777)
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        server.setblocking(False)
        port = str(server.getsockname()[1])
        abstract.bind(f"\0rlhf-hostile-{port}")
        abstract.listen()
        facts = {"FOLDER": str(folder), "PORT": port, "PARENT": str(os.getpid()), "SECRET": SECRET}
        yield Host(folder, facts, server)


@pytest.fixture(scope="module")
def aftermath(host: Host) -> Aftermath:
    try:
        require_isolation(LIMITS)
    except UserError as error:
        pytest.skip(str(error))
    before = contents(host.folder)
    programs, honest = [], {}
    for number, (name, source) in enumerate(hostile_programs(host.facts).items()):
        good = number % 3 != 0
        honest[f"honest {number}"] = good
        programs.append(Program(name, source, TEST, ("add",)))
        programs.append(Program(f"honest {number}", HONEST[good], TEST, ("add",)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TEST_SECRET", SECRET)
        outcomes = {outcome.sample_id: outcome for outcome in run_programs(programs, LIMITS, 4)}
    return Aftermath(outcomes, honest, before, contents(host.folder), connected(host.listener), processes_left())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def connected(server: socket.socket) -> bool:
    try:
        server.accept()
    except BlockingIOError:
        return False
    return True


def processes_left() -> list[str]:
    """Programs of sandboxes that have not ended after ten seconds."""
    suspects = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "98765" in line or "inside.candidate import main" in line:
            suspects.append(process)
    _, alive = psutil.wait_procs(suspects, timeout=10)
    return [str(process) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_fails_for_a_reason(aftermath: Aftermath, name: str) -> None:
    outcome = aftermath.outcomes[name]
    assert not outcome.passed
    assert outcome.reason not in {"", "passed"}


def test_verdicts_of_honest_programs_stand(aftermath: Aftermath) -> None:
    found = {name: aftermath.outcomes[name].passed for name in aftermath.honest}
    assert found == aftermath.honest


def test_wrong_programs_fail_their_assertion(aftermath: Aftermath) -> None:
    reasons = {aftermath.outcomes[name].reason for name, good in aftermath.honest.items() if not good}
    assert reasons == {"the test failed at: assert add(2, 3) == 5"}


def test_files_of_the_host_are_unchanged(aftermath: Aftermath) -> None:
    assert aftermath.after == aftermath.before


def test_nothing_connected(aftermath: Aftermath) -> None:
    assert not aftermath.connected


def test_no_process_is_left(aftermath: Aftermath) -> None:
    assert aftermath.left == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("infinite_loop", "timed out"),
        ("mask_signals", "timed out"),
        ("stop_oneself", "timed out"),
        ("sleep_past_the_limit", "timed out"),
        ("memory_bomb_of_children", "MiB of memory|timed out"),
        ("exhaust_the_inodes", "files|timed out"),
        ("exit_before_the_check", "ended before its check"),
        ("exit_in_the_check", "ended before its check"),
        ("sys_exit", "raised SystemExit"),
        ("always_equal", "cannot be compared"),
        ("array_interface", "cannot be compared"),
        ("always_equal_int", r"assert add\(2, 3\) == 5"),
        ("memory_bomb", "MemoryError|timed out"),
        ("crash", "ended before its check"),
    ],
)
def test_reason_says_what_happened(aftermath: Aftermath, name: str, part: str) -> None:
    assert re.search(part, aftermath.outcomes[name].reason)


@pytest.mark.skipif(sys.platform != "linux", reason="attacks on Linux")
def test_attacks_work_where_nothing_is_isolated(aftermath: Aftermath, host: Host) -> None:
    limits = LIMITS.model_copy(update={"isolation": "none"})
    sources = hostile_programs(host.facts)
    programs = [Program(name, sources[name], TEST, ("add",)) for name in HARMLESS_UNISOLATED]
    assert {o.sample_id: o.passed for o in run_programs(programs, limits)} == dict.fromkeys(HARMLESS_UNISOLATED, True)
