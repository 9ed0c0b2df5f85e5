"""The rules of the house that a linter does not know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from flows.catalog import PAPERS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for room in ("flows", "tasks", "dashboards", "configs") for path in (ROOT / room).rglob("*.py"))
STAGES = {"data", "models", "policy", "evaluation"}


def stage_modules() -> list[str]:
    """Files of Prefect tasks."""
    files = sorted((ROOT / "tasks").rglob("*stages.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]


def modules_imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_a_screen(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    imported = modules_imported(path)
    if room in {"tasks", "dashboards"}:
        assert not {name for name in imported if name.split(".")[0] == "flows"}
    if path.is_relative_to(ROOT / "tasks" / "engine"):
        assert not {name for name in imported if name.startswith(tuple(f"tasks.{stage}" for stage in STAGES))}
    if path.is_relative_to(ROOT / "tasks" / "data"):
        assert not {name for name in imported if name.startswith(("tasks.models", "tasks.policy", "tasks.evaluation"))}
    if path.is_relative_to(ROOT / "tasks" / "models"):
        assert not {name for name in imported if name.startswith(("tasks.policy", "tasks.evaluation"))}


@pytest.mark.parametrize(
    "module",
    [
        "flows.evaluation.evaluate",
        "flows.cli",
        ", ".join(entry.module for entry in PAPERS.values()),
        ", ".join(stage_modules()),
    ],
    ids=["evaluate", "cli", "papers", "stages"],
)
def test_what_a_server_imports_leaves_torch_alone(module):
    code = f"import sys, {module}; sys.exit(int('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
