"""Evaluation of small expressions over a list of integers, safe on any text.

The expression is parsed and its tree is walked; nothing is compiled or handed to the interpreter. What the
language has: the list's name, integers up to 99, ``+ - * // %``, one comparison, slices and indices, ``sum``
``max`` ``min`` ``len`` ``sorted`` of one argument, and a single list comprehension. It has no attributes,
strings, ``**``, keyword arguments or nested comprehensions. Text, depth, steps, lists and integers are
capped, so time and memory are bounded whatever a policy writes.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = 400
MAX_STEPS = 2_000
MAX_DEPTH = 40
MAX_CONSTANT = 99
MAX_MAGNITUDE = 10**9
MAX_ITEMS = 64

Value = int | list[int]
FUNCTIONS: Mapping[str, Callable[[list[int]], Value]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "len": len,
    "sorted": sorted,
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Refused(Exception):
    """The text is not an expression of this language, or it has no value within the caps."""


def parse(text: str) -> ast.expr:
    """Parse one expression.

    Raises:
        Refused: it is no expression, or longer than ``MAX_CHARACTERS``.
    """
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"longer than {MAX_CHARACTERS} characters")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"not an expression: {error}") from error


def evaluate(expression: ast.expr, name: str, items: list[int]) -> Value:
    """Value of ``expression`` where ``name`` is the list ``items``.

    Raises:
        Refused: a construct, an operation on the wrong type, or a size that the language does not have.
    """
    walker = _Walker({name: items})
    try:
        return walker.value(expression)
    except (ArithmeticError, ValueError, IndexError) as error:
        raise Refused(f"no value: {error}") from error


@dataclass
class _Walker:
    """One evaluation: the names in scope, the steps taken so far, and how deep in the tree it is."""

    scope: dict[str, Value]
    steps: int = 0
    depth: int = 0
    comprehending: bool = False

    def value(self, node: ast.expr) -> Value:
        self.steps += 1
        self.depth += 1
        if self.steps > MAX_STEPS or self.depth > MAX_DEPTH:
            raise Refused(f"more than {MAX_STEPS} steps, or nested deeper than {MAX_DEPTH}")
        visit = _VISITORS.get(type(node))
        if visit is None:
            raise Refused(f"{type(node).__name__} is not in the language")
        result = visit(self, node)
        self.depth -= 1
        return result

    def integer(self, node: ast.expr) -> int:
        value = self.value(node)
        if not isinstance(value, int):
            raise Refused("a list stands where an integer belongs")
        return value

    def items(self, node: ast.expr) -> list[int]:
        value = self.value(node)
        if not isinstance(value, list):
            raise Refused("an integer stands where a list belongs")
        return value

    def constant(self, node: ast.Constant) -> int:
        if type(node.value) is not int or node.value > MAX_CONSTANT:
            raise Refused(f"constants are integers up to {MAX_CONSTANT}")
        return node.value

    def name(self, node: ast.Name) -> Value:
        if node.id not in self.scope:
            raise Refused(f"{node.id} is not defined")
        return self.scope[node.id]

    def negative(self, node: ast.UnaryOp) -> int:
        if not isinstance(node.op, ast.USub):
            raise Refused("the only unary operator is -")
        return -self.integer(node.operand)

    def arithmetic(self, node: ast.BinOp) -> int:
        operation = ARITHMETIC.get(type(node.op))
        if operation is None:
            raise Refused(f"{type(node.op).__name__} is not in the language")
        result = operation(self.integer(node.left), self.integer(node.right))
        if abs(result) > MAX_MAGNITUDE:
            raise Refused(f"an integer above {MAX_MAGNITUDE}")
        return result

    def comparison(self, node: ast.Compare) -> int:
        operation = COMPARISONS.get(type(node.ops[0]))
        if operation is None or len(node.ops) > 1:
            raise Refused("one comparison of two integers at a time")
        return operation(self.integer(node.left), self.integer(node.comparators[0]))

    def call(self, node: ast.Call) -> Value:
        function = FUNCTIONS.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if function is None or len(node.args) != 1 or node.keywords:
            raise Refused(f"a call is one of {', '.join(FUNCTIONS)} on one list")
        return function(self.items(node.args[0]))

    def subscript(self, node: ast.Subscript) -> Value:
        items = self.items(node.value)
        if not isinstance(node.slice, ast.Slice):
            return items[self.integer(node.slice)]
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        return items[slice(*(None if bound is None else self.integer(bound) for bound in bounds))]

    def comprehension(self, node: ast.ListComp) -> list[int]:
        loop = node.generators[0]
        if self.comprehending or len(node.generators) > 1 or loop.is_async or len(loop.ifs) > 1:
            raise Refused("one comprehension with one loop and one condition")
        if not isinstance(loop.target, ast.Name) or loop.target.id in self.scope:
            raise Refused("a loop needs one new name")
        items = self.items(loop.iter)
        if len(items) > MAX_ITEMS:
            raise Refused(f"a list of more than {MAX_ITEMS} items")
        self.comprehending, kept, variable = True, [], loop.target.id
        for item in items:
            self.scope[variable] = item
            if not loop.ifs or self.integer(loop.ifs[0]):
                kept.append(self.integer(node.elt))
        self.scope.pop(variable, None)
        self.comprehending = False
        return kept


_VISITORS: Mapping[type[ast.expr], Callable[[_Walker, Any], Value]] = {
    ast.Constant: _Walker.constant,
    ast.Name: _Walker.name,
    ast.UnaryOp: _Walker.negative,
    ast.BinOp: _Walker.arithmetic,
    ast.Compare: _Walker.comparison,
    ast.Call: _Walker.call,
    ast.Subscript: _Walker.subscript,
    ast.ListComp: _Walker.comprehension,
}
