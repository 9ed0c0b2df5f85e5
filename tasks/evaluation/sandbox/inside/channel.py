"""Messages over a descriptor, each preceded by its length."""

import os

from tasks.evaluation.sandbox.inside.codec import LENGTH, MAXIMUM_BYTES, Malformed


class Closed(Exception):
    """The other side is gone."""


def send(descriptor: int, message: bytes) -> None:
    """Raises Closed if nobody reads."""
    rest = memoryview(LENGTH.pack(len(message)) + message)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise Closed from error


def receive(descriptor: int) -> bytes:
    """The next message.

    Raises:
        Closed: the other side is gone.
        Malformed: the message is announced as longer than ``MAXIMUM_BYTES``.
    """
    (size,) = LENGTH.unpack(receive_bytes(descriptor, LENGTH.size))
    if size > MAXIMUM_BYTES:
        raise Malformed(f"a message of {size} bytes")
    return receive_bytes(descriptor, size)


def receive_bytes(descriptor: int, size: int) -> bytes:
    """Exactly ``size`` bytes."""
    parts = []
    while size:
        try:
            part = os.read(descriptor, min(size, 2**20))
        except OSError as error:
            raise Closed from error
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_all(descriptor: int) -> bytes:
    """Everything until the end."""
    parts = []
    while part := os.read(descriptor, 2**20):
        parts.append(part)
    return b"".join(parts)
