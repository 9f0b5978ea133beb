"""A stub of APNs for tests: HTTP/2 without TLS (prior knowledge) by h2 alone. It judges headers and payload as Apple documents them.

Delivers nothing, and knows nothing of `calls.py`.
"""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

_STATUS = {
    "BadDeviceToken": 400, "DeviceTokenNotForTopic": 400, "BadTopic": 400, "PayloadEmpty": 400, "BadPriority": 400, "BadMessageId": 400,
    "BadCollapseId": 400, "InvalidPushType": 400, "BadExpirationDate": 400, "MissingTopic": 400, "InvalidProviderToken": 403,
    "ExpiredProviderToken": 403, "MissingProviderToken": 403, "BadPath": 404, "Unregistered": 410, "ExpiredToken": 410,
    "PayloadTooLarge": 413, "TooManyRequests": 429, "TooManyProviderTokenUpdates": 429, "InternalServerError": 500,
    "ServiceUnavailable": 503, "Shutdown": 503,
}  # fmt: skip


@dataclass
class Stub:
    """`modes` are met by the next pushes, the oldest first; `outcomes` by device tokens: a reason, or (410) reason@timestamp."""

    modes: deque[str] = field(default_factory=deque)
    outcomes: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  # provider tokens seen, each once
    connections: int = 0
    most_streams: int = 0  # open at once on one connection
    topics: frozenset[str] = frozenset({"kr.example.shop"})
    streams_allowed: int = 100
    deaf: bool = False  # connections of now hear nothing more, as when a firewall forgot them
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The stub on a free loopback port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()
            await asyncio.sleep(0)  # lets the readers see it

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        peer = _Peer(self, writer)
        try:
            peer.h2.initiate_connection()
            peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self.streams_allowed})
            await peer.flush()
            while data := await reader.read(65_536):
                if self.deaf and writer in self._writers[:-1]:
                    continue
                for event in peer.h2.receive_data(data):
                    peer.take(event)
                await peer.flush()
        except (ConnectionError, ProtocolError):
            return
        finally:
            for task in peer.tasks:
                task.cancel()
            writer.close()

    def judge(self, headers: dict[str, str], body: bytes) -> str:
        """The reason for which Apple would refuse it; empty: none."""
        token = headers.get("authorization", "").removeprefix("bearer ")
        if not token:
            return "MissingProviderToken"
        claims, header = _part(token, 1), _part(token, 0)
        if header.get("alg") != "ES256" or not header.get("kid") or set(claims) != {"iss", "iat"}:
            return "InvalidProviderToken"
        if token not in self.tokens:
            self.tokens.append(token)
        device = headers[":path"].removeprefix("/3/device/")
        if not re.fullmatch(r"[0-9a-fA-F]{16,400}", device):
            return "BadDeviceToken"
        if headers.get("apns-topic") not in self.topics:
            return "BadTopic"
        if len(body) > 4_096:
            return "PayloadTooLarge"
        return _bad_header(headers) or _bad_payload(headers, body)


class _Peer:
    """One connection."""

    def __init__(self, stub: Stub, writer: asyncio.StreamWriter) -> None:
        self.stub = stub
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.open: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    def take(self, event: Any) -> None:
        match event:
            case RequestReceived():
                headers = {str(name): str(value) for name, value in event.headers}
                self.open[event.stream_id] = (headers, bytearray())
                self.stub.most_streams = max(self.stub.most_streams, len(self.open))
            case DataReceived():
                self.open[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                headers, body = self.open[event.stream_id]
                task = asyncio.create_task(self._answer(event.stream_id, headers, bytes(body)))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            case ConnectionTerminated():
                raise ConnectionError

    async def _answer(self, stream: int, headers: dict[str, str], body: bytes) -> None:
        stub = self.stub
        mode = stub.modes.popleft() if stub.modes else "ok"
        device = headers[":path"].removeprefix("/3/device/")
        reason = stub.judge(headers, body)
        mode = reason or stub.outcomes.get(device, mode)
        if mode == "close_before":
            self.writer.transport.abort()
            return
        if mode == "refuse":
            self.open.pop(stream)
            self.h2.reset_stream(stream, error_code=7)
            await self.flush()
            return
        if mode == "go away":
            self.h2.close_connection(last_stream_id=max(0, stream - 2))
            await self.flush()
            return
        if mode == "hang":
            await asyncio.sleep(30)
        if mode == "slow":
            await asyncio.sleep(0.1)
        reason, _, at = mode.partition("@")
        status = _STATUS.get(reason, 307 if mode == "redirect" else 200)
        if status == 200:
            stub.sent.append({"device": device, "headers": headers, "payload": msgspec.json.decode(body)})
        if mode == "close_after":
            self.writer.transport.abort()
            return
        content = b"" if status == 200 else msgspec.json.encode({"reason": reason} | ({"timestamp": int(at)} if at else {}))
        if mode == "garbage":
            status, content = 500, b"\xff{"
        if mode == "huge":
            status, content = 400, b" " * 200_000
        out = [(":status", str(status)), ("apns-id", headers.get("apns-id", ""))]
        if mode == "TooManyRequests":
            out.append(("retry-after", "7"))
        self.h2.send_headers(stream, out, end_stream=not content)
        for start in range(0, len(content), 16_384):
            part = content[start : start + 16_384]
            while self.h2.local_flow_control_window(stream) < len(part):
                await self.flush()
                await asyncio.sleep(0.005)
            self.h2.send_data(stream, part, end_stream=start + 16_384 >= len(content))
        self.open.pop(stream, None)
        await self.flush()


def _bad_header(headers: dict[str, str]) -> str:
    kind, priority = headers.get("apns-push-type"), headers.get("apns-priority", "10")
    if kind not in {"alert", "background"}:
        return "InvalidPushType"
    if priority not in {"10", "5", "1"} or (kind == "background" and priority == "10"):
        return "BadPriority"
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return "BadCollapseId"
    if not headers.get("apns-expiration", "0").isdigit():
        return "BadExpirationDate"
    try:
        uuid.UUID(headers.get("apns-id", str(uuid.UUID(int=0))))
    except ValueError:
        return "BadMessageId"
    return ""


def _bad_payload(headers: dict[str, str], body: bytes) -> str:
    try:
        aps = msgspec.json.decode(body, type=dict[str, Any])["aps"]
    except (msgspec.DecodeError, KeyError):
        return "PayloadEmpty"
    if headers["apns-push-type"] == "background":
        return "" if aps == {"content-available": 1} else "InvalidPushType"
    return "" if aps.get("alert") else "PayloadEmpty"


def _part(token: str, at: int) -> dict[str, Any]:
    text = token.split(".")[at]
    found: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found
