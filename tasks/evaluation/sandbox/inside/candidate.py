"""The process that runs a model's program, and answers the calls of its check. Nothing it says is believed."""

from __future__ import annotations

import builtins
import os
import sys

from tasks.evaluation.sandbox.inside.channel import Closed, read_all, receive, send
from tasks.evaluation.sandbox.inside.codec import TooLarge, decode, encode
from tasks.evaluation.sandbox.inside.confine import confine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MUTABLE = (list, dict, set, tuple)


class Referred:
    """The program's values that cannot be sent, by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def refer(self, value: Any) -> tuple[int, str]:
        """See ``codec.Refer``."""
        self.values.append(value)
        return len(self.values) - 1, type(value).__name__

    def resolve(self, number: int, _kind: str) -> Any:
        """See ``codec.Resolve``."""
        return self.values[number]


def main(channel: int) -> None:
    """Run the program whose job is on standard input; its check is at the other end of ``channel``."""
    job = decode(read_all(0), no_reference)
    confine(job)
    send(channel, b"started")
    program = type(sys)("program")
    sys.modules["program"] = program
    referred = Referred()
    try:
        exec(compile(job["source"], "<program>", "exec", dont_inherit=True), program.__dict__)
        missing = [name for name in job["names"] if not hasattr(program, name)]
        loaded: tuple[Any, ...] = ("missing", missing) if missing else ("loaded", [])
    except BaseException as error:
        loaded = described(error)
    send(channel, encode(loaded, referred.refer))
    try:
        while True:
            send(channel, answer(receive(channel), program, referred))
    except Closed:
        os._exit(0)


def no_reference(number: int, kind: str) -> Any:
    """A job holds none."""
    raise ValueError(number, kind)


def answer(message: bytes, program: Any, referred: Referred) -> bytes:
    """What an operation of the check gives: ("value", value, arguments) or ("raised", names, message, arguments).

    The arguments are as the call has left them, the named ones last; None if no call could have changed them.
    """
    operation, target, rest = decode(message, referred.resolve)
    arguments = [*rest[0], *rest[1].values()] if operation == "call" else []
    changed = arguments if any(isinstance(argument, MUTABLE) for argument in arguments) else None
    said: tuple[Any, ...]
    try:
        said = ("value", OPERATIONS[operation](getattr(program, target) if isinstance(target, str) else target, rest))
    except BaseException as error:
        said = described(error)
    try:
        return encode((*said, changed), referred.refer)
    except TooLarge as error:
        return encode(("too large", str(error)), referred.refer)
    except BaseException as error:
        return encode((*described(error), None), referred.refer)


def call(function: Any, rest: Any) -> Any:
    """Value of a call."""
    positional, named = rest
    return function(*positional, **named)


def read_attribute(owner: Any, name: Any) -> Any:
    """Value of an attribute."""
    return getattr(owner, name)


def write_attribute(owner: Any, rest: Any) -> None:
    """Set an attribute."""
    setattr(owner, *rest)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "call": call, "get": read_attribute, "set": write_attribute,
}  # fmt: skip


def described(error: BaseException) -> tuple[str, list[str], str]:
    """An exception by the names of its classes and its message; KeyError's is quoted again when it is raised again."""
    names = [kind.__name__ for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind]
    quoted = type(error).__str__ is KeyError.__str__ and len(error.args) == 1 and type(error.args[0]) is str
    return "raised", [type(error).__name__, *names], (error.args[0] if quoted else str(error))[:500]
