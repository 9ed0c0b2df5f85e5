"""Finding the program in a chat model's response, and the names that a test takes from it."""

import ast
import builtins
import re
import sys

FENCE = re.compile(r"(?m:^([ \t]+))?```[^\n`]*\n(.*?)(?:(?:\n|(?<=\n))[ \t]*```|\Z)", re.DOTALL)
"""A fenced block of Markdown, after its indentation; the last one may lack its end, where a response was cut off."""


def fenced_block(response: str, names: tuple[str, ...]) -> str:
    """The first fenced block that defines all ``names``, else the first block, else the whole response."""
    blocks = [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in FENCE.findall(response)]
    return next((block for block in blocks if defines(block, names)), blocks[0] if blocks else response)


def defines(source: str, names: tuple[str, ...]) -> bool:
    """Whether each of ``names`` is a function, class or variable at the top level of ``source``, as far as it reads.

    Text that Python cannot parse is searched for ``def name`` and ``class name`` at the start of a line.
    """
    try:
        return set(names) <= defined_names(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return all(
            re.search(rf"^(?:async +def|def|class) +{re.escape(name)}\b", source, re.MULTILINE) for name in names
        )


def defined_names(source: str) -> set[str]:
    """Names that the top level of ``source`` defines. Raises SyntaxError where it cannot be parsed."""
    found = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def names_under_test(test: str, reference: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What ``test`` wants from elsewhere: names that a program has to define, and standard modules to import.

    A name that ``reference`` (the benchmark's own solution) defines is the program's, also if it is a builtin's; no
    other builtin or standard module is ever taken from a program, which could give it another meaning. Raises
    SyntaxError for a test that cannot be parsed.
    """
    tree = ast.parse(test)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)} | bound_otherwise(tree)
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)} - bound
    try:
        wanted = used & defined_names(reference)
    except SyntaxError:
        wanted = set()
    free = used - wanted - set(dir(builtins))
    modules = free & set(sys.stdlib_module_names)
    return tuple(sorted(wanted | (free - modules))), tuple(sorted(modules))


def bound_otherwise(tree: ast.AST) -> set[str]:
    """Names bound by imports, definitions, parameters and ``except``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found
