"""A proxy in front of an OpenAI-compatible server that goes wrong by a fixed schedule."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from judging_templates import UNREADABLE

Fault = Literal[
    "429", "429 for an hour", "500", "503", "400", "401", "404", "reset", "malformed", "no completion", "truncated",
    "empty", "unreadable", "hang", "drip",
]  # fmt: skip
CHAT = "/v1/chat/completions"
STATUSES = {"429": "429 Slow", "429 for an hour": "429 Slow", "500": "500 Bad", "503": "503 Busy", "400": "400 Bad",
            "401": "401 No", "404": "404 No"}  # fmt: skip
BODIES = {"malformed": '{"choices": [{"mess', "no completion": '{"error": "overloaded"}'}
WAITS = {"429": "0", "503": "Wed, 21 Oct 2015 07:28:00 GMT", "429 for an hour": "3600"}


@dataclass
class FaultyProxy:
    """Counts chat requests from 1; the n-th meets ``schedule[n]``, all others (and later ones) are passed on."""

    upstream: int
    schedule: Mapping[int, Fault]
    always: Fault | None = None
    port: int = 0
    chats: list[str] = field(default_factory=list)
    """Bodies of the chat requests, in the order they came."""
    others: list[str] = field(default_factory=list)
    """Paths of the other requests."""
    keys: set[str] = field(default_factory=set)
    """Authorization headers seen."""
    hung: threading.Event = field(default_factory=threading.Event)
    """Set when a request is left without an answer."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.keys.add(next((line[15:] for line in head.split("\r\n") if line.lower().startswith("auth")), ""))
            await self.answer(head.split()[1], body, reader, writer)
        finally:
            writer.close()

    async def answer(self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if path == CHAT:
            self.chats.append(body.decode())
        else:
            self.others.append(path)
        fault = self.always or (self.schedule.get(len(self.chats)) if path == CHAT else None)
        if fault == "hang":
            self.hung.set()
            await reader.read()
        elif fault == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not reader.at_eof():
                writer.write(b" ")
                await asyncio.sleep(0.1)
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif fault == "truncated":
            answer = await self.forward(path, body)
            writer.write(answer[: len(answer) - 20])
        else:
            writer.write(self.faulty(fault) if fault else await self.forward(path, body))

    def faulty(self, fault: Fault) -> bytes:
        said = UNREADABLE if fault == "unreadable" else ""
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        body = BODIES.get(fault, json.dumps({"choices": [choice], "usage": None}))
        if fault in STATUSES:
            body = json.dumps({"error": {"message": f"{fault}: your key was {self.keys}", "code": fault}})
        wait = f"Retry-After: {WAITS[fault]}\r\n" if fault in WAITS else ""
        status = STATUSES.get(fault, "200 OK")
        return (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{wait}Content-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}"
        ).encode()

    async def forward(self, path: str, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        method = "POST" if body else "GET"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        return answer


@contextmanager
def faulty_proxy(
    upstream: int, schedule: Mapping[int, Fault] | None = None, always: Fault | None = None
) -> Iterator[FaultyProxy]:
    """A proxy that runs, on a port of its own, in a thread of its own."""
    proxy = FaultyProxy(upstream, schedule or {}, always)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with await asyncio.start_server(proxy.handle, "127.0.0.1", 0) as server:
            proxy.port = server.sockets[0].getsockname()[1]
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.Runner(loop_factory=lambda: loop).run(serve()))
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
