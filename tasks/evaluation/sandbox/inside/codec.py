"""The closed set of values that passes between a program and its check, as bytes.

None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, iterators of these, and these
types. Whatever a program sends, what is read is made of these builtin types themselves: no class, no method and no
code of the program crosses. Anything else crosses as a reference, a number that only the sender can resolve.
"""

from __future__ import annotations

import struct
from itertools import islice

TYPE_CHECKING = False
"""Importing typing takes as long as starting Python."""
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Refer = Callable[[Any], tuple[int, str]]
    """Gives a value that cannot be sent a number and the name of its type. Raises TooLarge if it will not."""
    Resolve = Callable[[int, str], Any]
    """Gives the value of a reference's number, or what stands for it."""

MAXIMUM_BYTES = 64 * 2**20
"""Of one message."""
MAXIMUM_DEPTH = 150
MAXIMUM_STEPS = 200_000
"""Values that are taken from an iterator."""
LENGTH = struct.Struct("<I")
DOUBLE = struct.Struct("<d")
PAIR = struct.Struct("<dd")
CONSTANTS = {None: b"N", True: b"T", False: b"F"}
SEQUENCES: dict[bytes, Callable[[list[Any]], Any]] = {
    b"l": list, b"t": tuple, b"S": set, b"Z": frozenset, b"I": iter, b"r": lambda items: range(*items),
}  # fmt: skip
SENDABLE: tuple[type, ...] = (
    bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, type(None),
)  # fmt: skip
TYPES = {kind.__name__: kind for kind in SENDABLE}
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


class Malformed(ValueError):
    """Bytes that no value stands for."""


class TooLarge(ValueError):
    """A value that is too large or nests too deeply to be sent."""


def encode(value: Any, refer: Refer) -> bytes:
    """The value as bytes; subclasses of the builtin types as their base, numpy's scalars as numbers.

    Raises:
        TooLarge: more than ``MAXIMUM_BYTES``, deeper than ``MAXIMUM_DEPTH``, or ``refer`` refuses a value.
    """
    parts: list[bytes] = []
    append_value(parts, value, refer, 0)
    message = b"".join(parts)
    if len(message) > MAXIMUM_BYTES:
        raise TooLarge(f"a value of {len(message)} bytes; at most {MAXIMUM_BYTES} can be sent")
    return message


def append_value(parts: list[bytes], value: Any, refer: Refer, depth: int) -> None:
    """One value, recursively. It is taken for what its type is, whatever its ``__class__`` says."""
    kind = type(value)
    if depth > MAXIMUM_DEPTH:
        raise TooLarge(f"a value that nests deeper than {MAXIMUM_DEPTH}")
    if value is None or value is True or value is False:
        parts.append(CONSTANTS[value])
    elif issubclass(kind, int):
        append_bytes(parts, b"i", int.to_bytes(value, int.bit_length(value) // 8 + 1, "little", signed=True))
    elif issubclass(kind, float):
        parts.append(b"f" + DOUBLE.pack(value))
    elif issubclass(kind, str):
        append_bytes(parts, b"s", str.encode(value, "utf-8", "surrogatepass"))
    elif issubclass(kind, (bytes, bytearray)):
        append_bytes(parts, b"b", bytes(value))
    elif kind is type and value in SENDABLE:
        append_bytes(parts, b"k", str(value.__name__).encode())
    elif issubclass(kind, complex):
        parts.append(b"c" + PAIR.pack(value.real, value.imag))
    else:
        append_container(parts, value, refer, depth)


def append_bytes(parts: list[bytes], tag: bytes, content: bytes) -> None:
    """A tag, a length and so many bytes."""
    parts += (tag, LENGTH.pack(len(content)), content)


def append_container(parts: list[bytes], value: Any, refer: Refer, depth: int) -> None:
    """A container with what it holds, an iterator with what it yields, or a reference."""
    if issubclass(type(value), dict):
        parts.append(b"d" + LENGTH.pack(len(value)))
        for key, held in dict.items(value):
            append_value(parts, key, refer, depth + 1)
            append_value(parts, held, refer, depth + 1)
        return
    tag, items = unpacked(value)
    if tag:
        parts.append(tag + LENGTH.pack(len(items)))
        for item in items:
            append_value(parts, item, refer, depth + 1)
    elif type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        append_value(parts, value.item(), refer, depth + 1)
    else:
        number, kind = refer(value)
        append_bytes(parts, b"R" + LENGTH.pack(number), kind.encode("utf-8", "replace")[:200])


def unpacked(value: Any) -> tuple[bytes, list[Any]]:
    """Tag and items of a sequence, set, range or iterator; an empty tag for anything else."""
    for kind, tag in ((list, b"l"), (tuple, b"t"), (frozenset, b"Z"), (set, b"S")):
        if issubclass(type(value), kind):
            return tag, list(kind.__iter__(value))
    if type(value) is range:
        return b"r", [value.start, value.stop, value.step]
    if hasattr(type(value), "__next__") or type(value) in VIEWS:
        items = list(islice(iter(value), MAXIMUM_STEPS + 1))
        if len(items) > MAXIMUM_STEPS:
            raise TooLarge(f"an iterator of more than {MAXIMUM_STEPS} values")
        return b"I", items
    return b"", []


def decode(message: bytes, resolve: Resolve) -> Any:
    """The value that ``encode`` wrote. Raises Malformed for bytes that it did not write."""
    try:
        value, end = Reader(message, resolve).value(0, 0)
    except (struct.error, UnicodeDecodeError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise Malformed(f"no message: {type(error).__name__}") from error
    if end != len(message):
        raise Malformed("bytes after the message")
    return value


class Reader:
    """Reads values from ``message``, each by its offset."""

    def __init__(self, message: bytes, resolve: Resolve) -> None:
        self.message = message
        self.resolve = resolve

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        """The value at offset ``at``, and the offset after it."""
        message, tag, at = self.message, self.message[at : at + 1], at + 1
        if depth > MAXIMUM_DEPTH + 1:
            raise Malformed("nests too deeply")
        if tag in b"NTF" and tag:
            return {b"N": None, b"T": True, b"F": False}[tag], at
        if tag == b"f":
            return DOUBLE.unpack_from(message, at)[0], at + DOUBLE.size
        if tag == b"c":
            return complex(*PAIR.unpack_from(message, at)), at + PAIR.size
        (size,) = LENGTH.unpack_from(message, at)
        at += LENGTH.size
        if tag in b"isbk":
            return self.sized(tag, at, size), at + size
        if tag == b"R":
            kind, end = self.span(at)
            return self.resolve(size, kind.decode()), end
        return self.container(tag, at, size, depth)

    def span(self, at: int) -> tuple[bytes, int]:
        """Length and bytes at offset ``at``, and the offset after them."""
        (size,) = LENGTH.unpack_from(self.message, at)
        end = at + LENGTH.size + size
        if end > len(self.message):
            raise Malformed("ends early")
        return self.message[at + LENGTH.size : end], end

    def sized(self, tag: bytes, at: int, size: int) -> int | str | bytes | type:
        """An int, a str, bytes or the name of a type, of ``size`` bytes."""
        if at + size > len(self.message):
            raise Malformed("ends early")
        content = self.message[at : at + size]
        if tag == b"i":
            return int.from_bytes(content, "little", signed=True)
        if tag == b"k":
            return TYPES[content.decode()]
        return content.decode("utf-8", "surrogatepass") if tag == b"s" else content

    def container(self, tag: bytes, at: int, size: int, depth: int) -> tuple[Any, int]:
        """A container of ``size`` items."""
        if size > len(self.message) - at:
            raise Malformed("ends early")
        items = []
        for _ in range(size * 2 if tag == b"d" else size):
            item, at = self.value(at, depth + 1)
            items.append(item)
        if tag == b"d":
            return dict(zip(items[::2], items[1::2], strict=True)), at
        return SEQUENCES[tag](items), at
