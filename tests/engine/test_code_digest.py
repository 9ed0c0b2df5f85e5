"""The digest of a stage's code: every helper counts, wherever it is imported; wording does not."""

import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tasks.data.stages import draw_demonstrations
from tasks.engine import code_digest as digests
from tasks.engine.code_digest import EFFECTS_ONLY, code_digest, import_closure, module_digest
from tasks.policy.stages import finetune_supervised, optimise_preferences

MODULES = {
    "__init__": "",
    "stages": """
        from rooms.top import SCALE

        LIMIT = 3

        def helper(x):
            '''Halve.'''
            return halve(x)

        def halve(x):
            return x / 2

        def train(x):
            '''Train.'''
            from rooms import inner
            from . import sibling

            return helper(inner.double(x)) * SCALE + LIMIT + sibling.ONE

        def neighbour(x):
            from rooms import other

            return other.unused(x)
        """,
    "top": "SCALE = 2  # twice",
    "inner": """
        from rooms.deep import depth


        def double(x, unit=Field(1, description='what it is counted in')):
            return 2 * x * depth()
        """,
    "deep": "def depth():\n    import json\n    return 1\n",
    "other": "def unused(x):\n    return x\n",
    "sibling": "ONE = 1",
}
CHANGES = {
    "the function itself": ("stages", "* SCALE + LIMIT", "* SCALE - LIMIT"),
    "a constant of its file": ("stages", "LIMIT = 3", "LIMIT = 4"),
    "a helper in its file": ("stages", "return halve(x)", "return halve(x) + 1"),
    "a helper's helper in its file": ("stages", "x / 2", "x / 3"),
    "what its file imports": ("top", "SCALE = 2", "SCALE = 3"),
    "what its body imports": ("inner", "2 * x", "3 * x"),
    "what it imports relatively": ("sibling", "ONE = 1", "ONE = 2"),
    "a helper's helper": ("deep", "return 1", "return 2"),
}
WORDINGS = {
    "a docstring": ("stages", "'''Train.'''", "'''Train a model.'''"),
    "a comment": ("top", "# twice", "# two times"),
    "blank lines": ("inner", "\n\n\n", "\n"),
    "a description": ("inner", "what it is counted in", "its unit"),
    "a neighbour": ("stages", "other.unused(x)", "other.unused(x + 1)"),
    "what a neighbour imports": ("other", "return x", "return x + 1"),
}


def forget() -> None:
    for cached in (import_closure, module_digest, digests._syntax, digests._source_path):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "rooms"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """A package of our own with a stage ``train``; returns its folder."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    for name, source in MODULES.items():
        write(folder, name, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(digests, "PACKAGES", ("rooms",))
    forget()
    yield folder
    forget()


def write(folder: Path, name: str, source: str) -> None:
    lines = source.splitlines()
    margin = " " * 8 if lines and not lines[0] else ""
    (folder / f"{name}.py").write_text("\n".join(line.removeprefix(margin) for line in lines) + "\n")


def digest_of_train() -> str:
    forget()
    return code_digest(importlib.import_module("rooms.stages").train)


def edit(folder: Path, module: str, old: str, new: str) -> None:
    write(folder, module, changed := MODULES[module].replace(old, new))
    assert changed != MODULES[module]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_code_changes_the_digest(rooms, change):
    before = digest_of_train()
    edit(rooms, *CHANGES[change])
    assert digest_of_train() != before


@pytest.mark.parametrize("wording", WORDINGS)
def test_wording_and_neighbours_do_not(rooms, wording):
    before = digest_of_train()
    edit(rooms, *WORDINGS[wording])
    assert digest_of_train() == before


def test_what_cannot_be_parsed_is_an_error_and_no_digest(rooms):
    (rooms / "deep.py").write_text("def depth(:\n")
    with pytest.raises(SyntaxError):
        digest_of_train()


def test_the_closure_of_a_trainer_has_its_loop_and_none_of_the_machinery_around_it():
    closure = import_closure("tasks.policy.preference")
    assert {"tasks.policy.preference", "tasks.engine.checkpoint", "tasks.models.log_probs"} <= closure
    assert not closure & EFFECTS_ONLY


def test_every_module_named_as_machinery_exists():
    assert all(importlib.util.find_spec(name) for name in EFFECTS_ONLY)


def test_stages_differ_and_their_digests_do_not_depend_on_who_asks_first():
    functions = [stage.fn.__wrapped__ for stage in (draw_demonstrations, finetune_supervised, optimise_preferences)]
    first = [code_digest(function) for function in functions]
    for cached in (import_closure, module_digest, digests._syntax):
        cached.cache_clear()
    assert [code_digest(function) for function in reversed(functions)] == first[::-1]
    assert len(set(first)) == 3


def test_threads_that_ask_at_once_get_the_same_digest():
    functions = [stage.fn.__wrapped__ for stage in (draw_demonstrations, finetune_supervised, optimise_preferences)]
    expected = [code_digest(function) for function in functions]
    for cached in (import_closure, module_digest, digests._syntax):
        cached.cache_clear()
    start, found = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        found.append([code_digest(function) for function in functions])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_a_digest_imports_nothing():
    ask = "import sys; from tasks.engine.code_digest import module_digest; module_digest('tasks.policy.preference')"
    found = subprocess.run(
        [sys.executable, "-c", f"{ask}; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["False"]
