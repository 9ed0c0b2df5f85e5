"""A digest of the code that computes a stage: its module and every module of ours that it imports.

Prefect's own ``TASK_SOURCE`` sees the text of the decorated function alone, so a changed helper would be
served from a stale cache.
"""

import ast
import hashlib
import importlib.util
import inspect
import textwrap
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

PACKAGES = ("tasks", "flows", "configs")
EFFECTS_ONLY = frozenset(
    f"tasks.engine.{name}"
    for name in (
        "caching",
        "code_digest",
        "home",
        "launch",
        "locks",
        "progress",
        "refs",
        "sender",
        "servers",
        "session",
        "spool",
        "stage",
        "store",
        "system_metrics",
        "tracking",
        "worker",
        "zygote",
    )
)
"""Modules that place, guard, report or transport a computation and cannot change its result."""

_PARSING = threading.RLock()
"""CPython 3.11's parser counts recursion per interpreter: two threads that parse at once can raise SystemError."""


def code_digest(function: Callable[..., object]) -> str:
    """SHA-256 over ``function``'s own syntax and the sources of our modules that it imports, directly or not.

    A function that imports inside its body is told from its neighbours in the same file: only what it uses of
    the file, what it imports itself, and what the file imports at its top, counts.
    """
    with _PARSING:
        return _code_digest(function)


def _code_digest(function: Callable[..., object]) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    file = ast.parse(_source(function.__module__))
    package = _package(function.__module__)
    own = ast.Module([*tree.body, *_definitions_used(tree, file)], [])
    start = _imports_in(own.body, package) | _imports_in(file.body, package, nested=False)
    modules = set[str]().union(*(import_closure(module) for module in start))
    lines = [_syntax_of(own), *(f"{name}:{_syntax(name)}" for name in sorted(modules))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def module_digest(module: str) -> str:
    """SHA-256 over the sources of ``module`` and of our modules that it imports, directly or not."""
    with _PARSING:
        lines = [f"{name}:{_syntax(name)}" for name in sorted(import_closure(module))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def import_closure(module: str) -> frozenset[str]:
    """Names of ``module`` and of all our modules that it imports, directly or not, at any depth of the code."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in EFFECTS_ONLY or _source_path(name) is None:
            continue
        seen.add(name)
        waiting.extend(_imports(name))
    return frozenset(seen)


@cache
def _syntax(module: str) -> str:
    return _syntax_of(ast.parse(_source(module)))


def _syntax_of(tree: ast.Module) -> str:
    """A syntax tree without docstrings, comments, layout or descriptions: rewording them keeps caches valid."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [item for item in node.body if not _is_string_statement(item)]
            node.body = body or [ast.Pass()]
    return ast.dump(tree)


def _is_string_statement(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _definitions_used(tree: ast.AST, file: ast.Module) -> list[ast.stmt]:
    """The statements of ``file`` that bind a name that ``tree`` uses, or that one of them uses, in their order."""
    binding: dict[str, list[ast.stmt]] = {}
    for statement in file.body:
        for name in _names_bound(statement):
            binding.setdefault(name, []).append(statement)
    found: list[ast.stmt] = []
    waiting = [tree]
    while waiting:
        names = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        new = [statement for name in names for statement in binding.pop(name, [])]
        found += new
        waiting += new
    return sorted(found, key=lambda statement: statement.lineno)


def _names_bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _imports(module: str) -> set[str]:
    return _imports_in(ast.parse(_source(module)).body, _package(module))


def _imports_in(body: list[ast.stmt], package: str, nested: bool = True) -> set[str]:
    names: set[str] = set()
    for node in (inner for statement in body for inner in (ast.walk(statement) if nested else [statement])):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names.update({origin}, (f"{origin}.{alias.name}" for alias in node.names))
    return {name for name in names if name.split(".")[0] in PACKAGES}


def _source(module: str) -> str:
    path = _source_path(module)
    if path is None:
        raise ModuleNotFoundError(module)
    return path.read_text()


def _package(module: str) -> str:
    path = _source_path(module)
    return module if path is not None and path.name == "__init__.py" else module.rpartition(".")[0]


@cache
def _source_path(module: str) -> Path | None:
    """The module's file, found without importing its package (``find_spec`` of a dotted name would)."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not rest:
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    stems = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
    files = [file for stem in stems for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))]
    return next((file for file in files if file.is_file()), None)
