"""The customer's callback server: `python -m bench.callbacks`, counts results by event id. Ends with its parent.

Says its URL on the first line. POST anywhere: results. GET /stats: counts. GET /results?after=N: what came, in order.
Signatures are not checked here: tests/e2e does that, and it would be the generator's cost, not IMS's.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import uvloop

PAGE = 20_000
_END = b"\r\n\r\n"


class Result(msgspec.Struct):
    """What is read of a result."""

    event_id: str
    message_id: str
    result: str


_one = msgspec.json.Decoder(Result).decode
_many = msgspec.json.Decoder(list[Result]).decode


class Book:
    """Every event id once, in the order in which they came."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._entries: list[tuple[str, str, str, int]] = []
        self.calls = 0
        self.repeats = 0
        self.by_result: Counter[str] = Counter()
        self.by_path: dict[str, list[int]] = {}  # results, when the last one came

    def take(self, path: str, body: bytes) -> None:
        at = int(time.time() * 1000)
        self.calls += 1
        here = self.by_path.setdefault(path, [0, 0])
        for r in _many(body) if body[:1] == b"[" else [_one(body)]:
            if r.event_id in self._seen:
                self.repeats += 1
                continue
            self._seen[r.event_id] = len(self._entries)
            self._entries.append((r.event_id, r.message_id, sys.intern(r.result), at))
            self.by_result[r.result] += 1
            here[0] += 1
            here[1] = at

    def answer(self, path: str) -> Any:
        """What a GET shows."""
        if path.startswith("/results?after="):
            after = int(path.removeprefix("/results?after="))
            return {"results": self._entries[after : after + PAGE]}
        return {
            "results": len(self._entries),
            "calls": self.calls,
            "repeats": self.repeats,
            "by_result": self.by_result,
            "paths": {path: {"results": n, "last_at": at} for path, (n, at) in self.by_path.items()},
        }


class Protocol(asyncio.Protocol):
    """Just enough HTTP/1.1 for IMS's client and for ours."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        while (end := data.find(_END)) >= 0:
            head = data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
            end += 4
            if len(data) < end + length:
                break
            body, data = data[end : end + length], data[end + length :]
            path = head.split(b" ", 2)[1].decode()
            if head.startswith(b"post"):
                self._book.take(path, body)
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            else:
                out = msgspec.json.encode(self._book.answer(path))
                kind = b"content-type: application/json\r\n"
                self._transport.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (kind, len(out), out))
        self._buffer = data


async def main() -> None:
    """Serve until the parent closes our stdin."""
    loop = asyncio.get_running_loop()
    book = Book()
    server = await loop.create_server(lambda: Protocol(book), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await lines.read()
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
