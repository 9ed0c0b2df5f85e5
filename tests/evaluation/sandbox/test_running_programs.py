import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.isolation import require_isolation, spare_user
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Program
from tasks.evaluation.sandbox.running import final_reason, run_programs
from tasks.evaluation.sandbox.system_calls import system_call_filter

LIMITS = Limits(wall_seconds=2.0)
PROJECT = Path(__file__).resolve().parents[3]
SYSTEM_PYTHON = Path("/usr/bin/python3")
PASSES = Program("good", "def f(x):\n    return x + 1", "assert f(1) == 2", ("f",))


@pytest.fixture(scope="module", autouse=True)
def isolated():
    try:
        require_isolation(LIMITS)
    except UserError as error:
        pytest.skip(str(error))


def outcome_of(source, test, names=("f",), setup="", **changes):
    return run_programs([Program("sample", source, test, names, setup)], LIMITS.model_copy(update=changes))[0]


def test_outcomes_are_in_the_order_of_the_programs():
    programs = [
        Program(str(number), f"def f():\n    return {number}", f"assert f() == {number - number % 2}", ("f",))
        for number in range(8)
    ]
    found = run_programs(programs, LIMITS, 4)
    assert [outcome.sample_id for outcome in found] == [program.sample_id for program in programs]
    assert [outcome.passed for outcome in found] == [number % 2 == 0 for number in range(8)]


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("def f(x, *, y=1):\n    return x + y", "assert f(1, y=2) == 3\nassert f(x=1) == 2"),
        ("def f(x):\n    x.append(1)", "x = []\nf(x)\nassert x == [1]"),
        ("def f(x):\n    x.append(1)", "x = []\nf(x=x)\nassert x == [1]"),
        (
            "def f(x):\n    x.append(1)\n    raise ValueError",
            "x = []\ntry:\n    f(x)\nexcept ValueError:\n    assert x == [1]",
        ),
        ("def g(x: int):\n    pass\ndef f():\n    return g.__annotations__['x']", "assert f() is int"),
        ("def f(x):\n    x['a'] = {1}\n    return x", "x = {}\nassert f(x) == {'a': {1}} == x"),
        ("def f(x):\n    return sorted(x)", "x = [2, 1]\nassert f(x) == [1, 2] and x == [2, 1]"),
        ("def f(n):\n    raise KeyError(n)", "try:\n    f(1)\nexcept KeyError as error:\n    assert '1' in str(error)"),
        (
            "def f(n):\n    return {}[n]",
            "try:\n    f('x')\nexcept KeyError as error:\n    assert (str(error), error.args) == (\"'x'\", ('x',))",
        ),
        (
            "class Own(ValueError):\n    pass\ndef f():\n    raise Own('x')",
            "try:\n    f()\n    assert False\nexcept ValueError:\n    pass",
        ),
        ("def f():\n    yield from range(3)", "assert list(f()) == [0, 1, 2]"),
        ("from typing import List\nimport math\ndef f(x: List):\n    return math.prod(x)", "assert f([2, 3]) == 6"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\ndef f(n):\n    return P(n).x",
            "assert f(3) == 3",
        ),
        ("import asyncio\nasync def g():\n    return 1\ndef f():\n    return asyncio.run(g())", "assert f() == 1"),
        ("print('x' * 100)\nprint(input) \ndef f():\n    print('y')\n    return 1", "assert f() == 1"),
        ("open('x', 'w').write('1')\ndef f():\n    return open('x').read()", "assert f() == '1'"),
        ("import sys\nsys.setrecursionlimit(5000)\ndef f(n):\n    return n and 1 + f(n - 1)", "assert f(3000) == 3000"),
        ("def f(x):\n    return {x: [x, (x, None)]}", "assert f(1.5) == {1.5: [1.5, (1.5, None)]}"),
        ("def f(t):\n    return t", "assert f(int) is int"),
    ],
)  # fmt: skip
def test_honest_programs_pass(source, test):
    assert outcome_of(source, test).reason == "passed"


def test_objects_of_the_program_can_be_made_changed_and_passed_back():
    source = """
class Node:
    def __init__(self, value):
        self.value, self.left = value, None
    def twice(self):
        return 2 * self.value
def total(node):
    return node.value + (total(node.left) if node.left else 0)
def many(nodes):
    return sum(map(total, nodes))
"""
    test = """
root = Node(1)
root.left = Node(2)
assert total(root) == 3
assert many([root, Node(4)]) == 7
assert root.left.value == 2 and root.left.twice() == 4
"""
    assert outcome_of(source, test, ("Node", "total", "many")).reason == "passed"


@pytest.mark.parametrize("check", ["f() == 5", "f() != 5", "f()", "not f()", "len(f()) == 5", "f() in [5]", "str(f())"])
def test_objects_of_the_program_are_never_believed(check):
    found = outcome_of(
        "class Own:\n    __eq__ = __ne__ = lambda *_: True\ndef f():\n    return Own()", f"assert {check}"
    )
    assert not found.passed
    assert "returned a Own, which cannot be compared" in found.reason


def test_a_test_that_catches_everything_cannot_catch_a_verdict():
    test = "try:\n    f()\nexcept BaseException:\n    pass"
    assert outcome_of("import os\ndef f():\n    os._exit(0)", test).reason == "the program ended before its check"
    assert not outcome_of("def f():\n    return object()", "try:\n    f() == 1\nexcept BaseException:\n    pass").passed


@pytest.mark.parametrize(
    "test", ["assert all(map(f, [1, 2]))", "for x, y in zip(map(f, [1]), [5]):\n    assert x == y"]
)
def test_a_program_cannot_end_a_loop_of_the_test(test):
    found = outcome_of("def f(x):\n    raise StopIteration", test)
    assert found.reason.startswith("the program raised StopIteration")


def test_helpers_of_the_setup_are_the_tests_own():
    found = outcome_of("def helper(x):\n    return 5\ndef f():\n    return 5", "assert f() == helper(2)",
                       setup="def helper(x):\n    return 2 * x")  # fmt: skip
    assert found.reason == "the test failed at: assert f() == helper(2)"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def g():\n    pass", "the program does not define f"),
        ("def f(:", "the program cannot be loaded: SyntaxError"),
        ("def f(x: List[int]):\n    return 5", "the program cannot be loaded: NameError: name 'List' is not defined"),
        ("1 / 0", "the program cannot be loaded: ZeroDivisionError"),
        ("def f():\n    return 1 / 0", "the program raised ZeroDivisionError: division by zero at: assert f() == 5"),
        ("def f():\n    return 4", "the test failed at: assert f() == 5"),
        ("def f():\n    return iter(int, 1)", "the program returned an iterator of more than"),
    ],
)
def test_failures_say_why(source, reason):
    assert outcome_of(source, "assert f() == 5").reason.startswith(reason)


def test_hash_order_is_the_same_in_every_run():
    test = "raise ValueError(f())"
    reasons = {outcome_of("def f():\n    return str(set('abcdefgh'))", test).reason for _ in range(3)}
    assert len(reasons) == 1


def test_packages_can_be_kept_away():
    source = "import numpy\ndef f():\n    return numpy.arange(3).sum()"
    assert outcome_of(source, "assert f() == 3").reason == "passed"
    assert "No module named 'numpy'" in outcome_of(source, "assert f() == 3", packages="none").reason


def test_without_bubblewrap_it_refuses_and_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no bwrap on the path; install bubblewrap.*isolation: none"):
        run_programs([PASSES], LIMITS)


def test_where_namespaces_are_refused_it_refuses_too(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"No permissions to create new namespace.*unprivileged_userns"):
        run_programs([PASSES], LIMITS)


def test_isolation_can_be_given_up_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    limits = LIMITS.model_copy(update={"isolation": "none"})
    bad = Program("bad", "def f(x):\n    return x", "assert f(1) == 2", ("f",))
    assert [outcome.passed for outcome in run_programs([PASSES, bad], limits)] == [True, False]


def test_a_sandbox_that_cannot_start_is_no_verdict(monkeypatch, tmp_path):
    failing = tmp_path / "bwrap"
    failing.write_text(f"#!/bin/sh\n[ -e {tmp_path}/tried ] && {{ echo 'bwrap: out of mounts' >&2; exit 1; }}\n"
                       f": > {tmp_path}/tried\n")  # fmt: skip
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"a program that is right: its sandbox did not start .bwrap: out of mounts."):
        run_programs([PASSES], LIMITS)


def test_limits_that_no_program_meets_are_refused():
    with pytest.raises(UserError, match=r"a program that is right fails in the sandbox here .made more than 0 files"):
        run_programs([PASSES], LIMITS.model_copy(update={"files": 0}))


def test_other_machines_are_refused():
    assert system_call_filter("x86_64") != system_call_filter("aarch64")
    with pytest.raises(UserError, match="not of riscv64"):
        system_call_filter("riscv64")


@pytest.mark.parametrize(
    "said", [b"", b"S\n", b"P\n", b"S\nP", b"S\nP\nF no\n", b"F x\n", b"S\nX\n", b"U\n", b"S\nS\nP\n"]
)
def test_only_the_exact_events_are_a_verdict(said):
    assert final_reason(said) != "passed"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_an_ordinary_user_is_as_well_isolated():
    """Root's sandboxes drop root; an ordinary user's have a user namespace."""
    if not SYSTEM_PYTHON.exists():
        pytest.skip("needs a Python that every user can read")
    code = """
from tasks.evaluation.sandbox.running import run_programs
from tasks.evaluation.sandbox.programs import Program
from tasks.evaluation.sandbox.limits import Limits
bomb = "import os\\ndef f():\\n    while True:\\n        os.mkdir(str(len(os.listdir('.'))))"
memory = "import os, time\\ndef f():\\n  [os.fork() for _ in range(3)]\\n  x = b'x' * 2**27\\n  time.sleep(9)"
fork = "import os\\ndef f():\\n    return [os.fork() for _ in range(9)]"
good = "def f():\\n    return 1"
programs = [Program("p", source, "assert f() == 1", ("f",)) for source in (bomb, memory, fork, good)]
limits = Limits(memory_mib=256, files=300, packages="none", processes=16)
print([outcome.reason.partition(" at:")[0] for outcome in run_programs(programs, limits)])
"""
    environment = {"PYTHONPATH": f"{PROJECT}:{sysconfig.get_path('purelib')}", "PATH": os.environ["PATH"]}
    user = spare_user()
    found = subprocess.run(
        [SYSTEM_PYTHON, "-c", code], user=user, group=user, extra_groups=[], env=environment, cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "ModuleNotFoundError" in found.stderr or "ImportError" in found.stderr or "Permission" in found.stderr:
        pytest.skip("the system's Python cannot load this environment")
    said = "'made more than 300 files', 'used more than 256 MiB of memory', "
    said += "'the program raised BlockingIOError: [Errno 11] Resource temporarily unavailable', 'passed'"
    assert found.stdout.strip() == f"[{said}]", found.stderr


def test_the_interpreter_is_the_one_that_runs_here():
    version = list(sys.version_info[:3])
    assert outcome_of("import sys\ndef f():\n    return list(sys.version_info[:3])", f"assert f() == {version}").passed
