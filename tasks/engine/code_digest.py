"""A digest of the code that computes a stage: its module and every module of ours that it imports.

Prefect's own ``TASK_SOURCE`` sees the text of the decorated function alone, so a changed helper would be
served from a stale cache.
"""

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

PACKAGES = ("tasks", "flows", "configs")
EFFECTS_ONLY = frozenset(
    f"tasks.engine.{name}"
    for name in (
        "caching", "code_digest", "home", "launch", "locks", "progress", "publish", "refs", "sender", "spool",
        "stage", "store", "tracking", "worker", "zygote",
    )
)
"""Modules that place, guard, report or transport a computation and cannot change its result."""


@cache
def code_digest(module: str) -> str:
    """SHA-256 over the sources of ``module`` and its transitive imports within our packages."""
    sources = {name: _syntax(name) for name in sorted(import_closure(module))}
    text = "\n".join(f"{name}:{hashlib.sha256(source.encode()).hexdigest()}" for name, source in sources.items())
    return hashlib.sha256(text.encode()).hexdigest()


def import_closure(module: str) -> set[str]:
    """Names of ``module`` and of all our modules that it imports, directly or not, at any depth of the code."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in EFFECTS_ONLY or _source_path(name) is None:
            continue
        seen.add(name)
        waiting.extend(_imports(name))
    return seen


def _syntax(module: str) -> str:
    """The module's syntax tree without docstrings, comments or layout: rewording them keeps caches valid."""
    tree = ast.parse(_source(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [item for item in node.body if not _is_string_statement(item)]
            node.body = body or [ast.Pass()]
    return ast.dump(tree)


def _is_string_statement(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(module: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] in PACKAGES}


def _source(module: str) -> str:
    path = _source_path(module)
    if path is None:
        raise ModuleNotFoundError(module)
    return path.read_text()


@cache
def _source_path(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
