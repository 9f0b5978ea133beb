"""HTTP/1.1 keep-alive in as few steps as possible: whole requests out, one answer back, nothing kept in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Answered = Callable[["Connection", int, int, bytes], None]  # connection, tag, status (0: the connection broke), body
_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One request at a time; its tag says to the caller which one."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._tag = -1
        self.sent_at = 0.0  # for the caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's

    @property
    def usable(self) -> bool:
        """Whether a request can be sent now."""
        return self._tag < 0 and self._transport is not None and not self._transport.is_closing()

    def send(self, tag: int, raw: bytes) -> None:
        """Send a whole request."""
        self._tag = tag
        self._transport.write(raw)  # type: ignore[union-attr]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(_END)
        if end < 0:
            self._buffer = data
            return
        at = data.find(_LENGTH, 0, end)
        if at < 0:  # IMS always says it
            self.close()
            return
        at += len(_LENGTH)
        length = int(data[at : data.index(b"\r", at)])
        if len(data) < end + 4 + length:
            self._buffer = data
            return
        self._buffer = b""
        self._finish(int(data[9:12]), data[end + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._tag >= 0:
            self._finish(0, b"")

    def _finish(self, status: int, body: bytes) -> None:
        tag, self._tag = self._tag, -1
        self._answered(self, tag, status, body)
