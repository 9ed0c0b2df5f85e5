"""The process that runs a benchmark's test against a program in another sandbox, and alone gives the verdict."""

from __future__ import annotations

import builtins
import os

from tasks.evaluation.sandbox.inside.channel import Closed, read_all, receive, send
from tasks.evaluation.sandbox.inside.codec import Malformed, TooLarge, decode, encode
from tasks.evaluation.sandbox.inside.confine import confine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

STARTED, PASSED, FAILED, ABSENT = b"S", b"P", b"F", b"U"
"""The events of a verdict's pipe, each ended by a new line; a failure carries its reason."""
ENDS_A_LOOP = ("StopIteration", "StopAsyncIteration")


class Check:
    """The check of one program: what it calls, and its verdict."""

    def __init__(self, channel: int, verdict: int) -> None:
        self.channel = channel
        self.verdict = verdict

    def say(self, event: bytes) -> None:
        """Write an event of the verdict's pipe."""
        os.write(self.verdict, event.replace(b"\n", b" ")[:3000] + b"\n")

    def fail(self, reason: str) -> NoReturn:
        """Give the verdict and end, so that no test can catch it."""
        self.say(FAILED + reason.encode("utf-8", "replace"))
        os._exit(1)

    def receive(self) -> bytes:
        """What the program says next; it fails if that is nothing."""
        try:
            return receive(self.channel)
        except Closed:
            self.fail("the program ended before its check")
        except Malformed as error:
            self.fail(f"the program sent {error}")

    def decoded(self) -> Any:
        """The value that the program says next."""
        try:
            return decode(self.receive(), self.reference)
        except (Malformed, RecursionError, MemoryError) as error:
            self.fail(f"the program sent {error}")

    def reference(self, number: int, kind: str) -> Any:
        """Stands for a value that cannot be sent."""
        return Reference(self, number, kind)

    def call(self, operation: str, target: Any, rest: Any, arguments: tuple[Any, ...] = ()) -> Any:
        """What the program's operation gives; raises what it raises, as a builtin exception."""
        try:
            message = encode((operation, target, rest), refer)
        except TooLarge as error:
            self.fail(f"the test's own arguments cannot be sent: {error}")
        try:
            send(self.channel, message)
        except Closed:
            self.fail("the program ended before its check")
        return self.value_of(self.decoded(), arguments)

    def value_of(self, answer: Any, arguments: tuple[Any, ...]) -> Any:
        """The value in an answer, its changes carried over to ``arguments``; raises what the program raised."""
        match answer:
            case ("value", value, changed):
                reflect(arguments, tuple(changed) if isinstance(changed, list) else ())
                return value
            case ("raised", [str(), *_] as names, str(message), changed):
                reflect(arguments, tuple(changed) if isinstance(changed, list) else ())
                raise rebuilt(names, message[:500])
            case ("too large", str(reason)):
                return self.fail(f"the program returned {reason}")
        return self.fail("the program sent no answer to a call")

    def proxy(self, name: str) -> Callable[..., Any]:
        """A function that calls the program's function of that name."""

        def called(*positional: Any, **named: Any) -> Any:
            return self.call("call", name, (list(positional), named), (*positional, *named.values()))

        called.__name__ = called.__qualname__ = name
        return called


class Reference:
    """A value that stays with the program: it can be passed back, called, and asked for attributes.

    It is never compared, measured or printed: what the program says of it could be anything, so the sample fails.
    """

    def __init__(self, check: Check, number: int, kind: str) -> None:
        object.__setattr__(self, "_check", check)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_kind", kind)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """What the program's object gives when it is called."""
        return self._check.call("call", self, (list(positional), named), (*positional, *named.values()))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._check.call("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._check.call("set", self, (name, value))

    def __hash__(self) -> int:
        return id(self)


def refusing(name: str) -> Callable[..., Any]:
    """A method that fails the sample."""

    def refuse(self: Any, *_: Any) -> Any:
        return self._check.fail(f"the program returned a {self._kind}, which cannot be compared from outside ({name})")

    return refuse


REFUSED = [
    "eq", "ne", "lt", "le", "gt", "ge", "bool", "len", "iter", "contains", "getitem", "str", "repr", "format", "add",
    "radd", "sub", "rsub", "mul", "rmul", "int", "float", "complex", "index", "round", "abs", "neg", "enter",
    "reversed", "bytes",
]  # fmt: skip
for refused in REFUSED:
    setattr(Reference, f"__{refused}__", refusing(refused))


def refer(value: Any) -> tuple[int, str]:
    """The number under which the program knows a reference. Raises TooLarge for what only the test has."""
    if type(value) is Reference:
        return object.__getattribute__(value, "_number"), ""
    raise TooLarge(f"a {type(value).__name__}")


def reflect(mine: Any, theirs: Any) -> None:
    """Give a mutable argument what the program has made of it."""
    if type(mine) is not type(theirs):
        return
    if isinstance(mine, list):
        mine[:] = theirs
    elif isinstance(mine, (dict, set)):
        mine.clear()
        mine.update(theirs)
    elif isinstance(mine, tuple):
        for one, other in zip(mine, theirs, strict=False):
            reflect(one, other)


def rebuilt(names: list[str], message: str) -> BaseException:
    """The first builtin exception among ``names``; RuntimeError if there is none.

    Never one that ends a loop of the test's: ``all(map(f, cases))`` would be true of what raises StopIteration.
    """
    for name in names:
        if name in ENDS_A_LOOP:
            continue
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            try:
                error: BaseException = kind(message)
            except TypeError:
                continue
            error.__dict__["from_program"] = names[0]
            return error
    return RuntimeError(f"{names[0]}: {message}")


def main(channel: int, verdict: int) -> None:
    """Run the test whose job is on standard input against the program at the other end of ``channel``."""
    job = decode(read_all(0), no_reference)
    confine(job)
    check = Check(channel, verdict)
    try:
        if receive(channel) != b"started":
            raise Closed
    except (Closed, Malformed):
        check.say(ABSENT)
        os._exit(1)
    check.say(STARTED)
    match check.decoded():
        case ("loaded", []):
            run_test(check, job)
        case ("missing", [*names]):
            check.fail(f"the program does not define {', '.join(map(str, names))}")
        case ("raised", [str(name), *_], str(message)):
            check.fail(f"the program cannot be loaded: {name}: {message}")
    check.fail("the program sent no message that it is loaded")


def no_reference(number: int, kind: str) -> Any:
    """A job holds none."""
    raise ValueError(number, kind)


def run_test(check: Check, job: dict[str, Any]) -> NoReturn:
    """Define what the test needs, bind the names to the program's, run the test, and give the verdict."""
    module: dict[str, Any] = {"__name__": "check"}
    try:
        exec(compile(job["setup"], "<setup>", "exec", dont_inherit=True), module)
        module |= {name: check.proxy(name) for name in job["names"]}
        exec(compile(job["test"], "<test>", "exec", dont_inherit=True), module)
    except BaseException as error:
        check.fail(explained(error, job["test"]))
    check.say(PASSED)
    os._exit(0)


def explained(error: BaseException, test: str) -> str:
    """Why a test failed, with the line of the test."""
    lines, at, frame = test.splitlines(), [], error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == "<test>":
            at.append(frame.tb_lineno)
        frame = frame.tb_next
    where = f" at: {lines[at[-1] - 1].strip()[:300]}" if at and at[-1] <= len(lines) else ""
    if isinstance(error, AssertionError) and "from_program" not in error.__dict__:
        return f"the test failed{where}"
    if "from_program" in error.__dict__:
        return f"the program raised {error.__dict__['from_program']}: {str(error)[:300]}{where}"
    return f"the test raised {type(error).__name__}: {str(error)[:300]}{where}"
