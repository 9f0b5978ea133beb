"""HTTP/2 to one host of Apple's, and what its failure means: surely not sent, or nobody knows.

On h2 alone, imported by the first push: httpx took 3.2 ms of CPU a push, says of a GOAWAY or a refused stream no more than
that something failed, and finds out that an idle connection is dead by losing a push on it. Here such a push was surely not
sent, and a connection that has rested is asked first.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ims.adapters.providers.transport import CONNECT_S, Reply, seconds
from ims.errors import NotSent, Unclear
from ims.results import NO_ANSWER, NOT_CONNECTED, UNREADABLE

if TYPE_CHECKING:
    from h2.connection import H2Connection

MAX_ANSWER_BYTES = 64 * 1024  # a reason and a time
RESTED_S = 30.0  # a connection that was silent for so long is asked whether it lives
PING_S = 2.0
MOST_STREAMS = 500  # at once, where the peer allows more
_REFUSED_STREAM = 7


@dataclass(slots=True)
class _Stream:
    """A request on its way."""

    done: asyncio.Future[Reply]
    status: int = 0
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)


class Connection:
    """One keep-alive connection to a base URL, of the running loop, opened when it is needed."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._live: _Live | None = None
        self._opening: asyncio.Task[_Live] | None = None
        self._closing: set[_Live] = set()

    async def request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """NotSent when nothing of it was taken, Unclear when it left and no whole answer came back."""
        begun = False
        live: _Live | None = None
        stream = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                live = await self._ready()
                async with live.slots:
                    stream, done = await live.begin(path, body, headers)
                    begun = True
                    return await done
        except TimeoutError as exc:
            if live is not None and stream:
                live.give_up(stream)
            raise (Unclear(NO_ANSWER) if begun else NotSent(NOT_CONNECTED)) from exc

    async def close(self) -> None:
        for live in {*self._closing, *([self._live] if self._live else [])}:
            await live.close()
        self._live = None
        self._closing.clear()

    async def _ready(self) -> _Live:
        loop = asyncio.get_running_loop()
        live = self._live
        if live is not None and live.usable(loop) and (loop.time() - live.heard_at < RESTED_S or await live.answers()):
            return live
        if self._opening is None or self._opening.get_loop() is not loop:
            if live is not None:
                self._closing = {c for c in self._closing if not c.over} | {live}  # what is under way on it may still end
            self._opening = loop.create_task(_Live.open(self._base_url))
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[_Live]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._live = task.result()


class _Live:
    """A connection that came about."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, h2: H2Connection, authority: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer, self._h2, self._authority = reader, writer, h2, authority
        self._streams: dict[int, _Stream] = {}
        self._window = asyncio.Event()
        self._pong = asyncio.Event()
        self._going = False  # the peer wants no more of it
        self.over = False
        self.heard_at = self._loop.time()
        self.slots = asyncio.Semaphore(MOST_STREAMS)
        self._task = self._loop.create_task(self._read())

    @staticmethod
    async def open(base_url: str) -> _Live:
        """NotSent when it does not come about."""
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        parts = urlsplit(base_url)
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.set_alpn_protocols(["h2"])
        port = parts.port or (443 if context else 80)
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
        except (OSError, TimeoutError) as exc:
            raise NotSent(NOT_CONNECTED) from exc
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            writer.close()
            raise NotSent(NOT_CONNECTED, "no HTTP/2")
        h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        h2.initiate_connection()
        live = _Live(reader, writer, h2, parts.netloc)
        live._flush()
        return live

    def usable(self, loop: asyncio.AbstractEventLoop) -> bool:
        return not (self.over or self._going or self._loop is not loop)

    async def answers(self) -> bool:
        """Whether the other side is still there. A push on a connection that died at rest would be one that nobody knows of."""
        self._pong.clear()
        self._h2.ping(b"ims-ping")
        self._flush()
        try:
            async with asyncio.timeout(PING_S):
                await self._pong.wait()
        except TimeoutError:
            self._end()
        return self.usable(self._loop)

    async def begin(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, asyncio.Future[Reply]]:
        """Put a request on its way. NotSent when it cannot be: nothing that Apple would act on has left before its last byte."""
        from h2.exceptions import H2Error

        if not self.usable(self._loop):
            raise NotSent(NOT_CONNECTED)
        head = [(":method", "POST"), (":scheme", "https"), (":authority", self._authority), (":path", path), *headers.items()]
        try:
            while not self._has_room(len(body)):
                await self._room()
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, head)
            self._h2.send_data(stream, body, end_stream=True)
        except H2Error as exc:
            self._going = True
            raise NotSent(NOT_CONNECTED, "HTTP/2") from exc
        entry = self._streams[stream] = _Stream(self._loop.create_future())
        entry.done.add_done_callback(lambda _: self._forget(stream))
        self._flush()
        return stream, entry.done

    def give_up(self, stream: int) -> None:
        """Wait for it no longer."""
        from h2.exceptions import H2Error

        entry = self._streams.get(stream)
        if entry is not None and not entry.done.done():
            entry.done.cancel()
        try:
            self._h2.reset_stream(stream, error_code=8)
        except H2Error:
            return
        self._flush()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._end()

    def _has_room(self, size: int) -> bool:
        most = self._h2.remote_settings.max_concurrent_streams
        return len(self._streams) < most and self._h2.outbound_flow_control_window >= size

    async def _room(self) -> None:
        self._window.clear()
        await self._window.wait()
        if not self.usable(self._loop):
            raise NotSent(NOT_CONNECTED)

    def _forget(self, stream: int) -> None:
        self._streams.pop(stream, None)
        self._window.set()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._writer.write(data)

    async def _read(self) -> None:
        from h2.exceptions import H2Error

        try:
            while data := await self._reader.read(65_536):
                self.heard_at = self._loop.time()
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
        except (OSError, H2Error):
            pass  # the same as the end of it
        finally:
            self._end()

    def _take(self, event: Any) -> None:
        from h2 import events

        match event:
            case events.ResponseReceived() if event.stream_id in self._streams:
                found = {str(name): str(value) for name, value in event.headers}
                entry = self._streams[event.stream_id]
                entry.status, entry.retry_after = int(found[":status"]), found.get("retry-after")
            case events.DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self._data(event.stream_id, event.data)
            case events.StreamEnded() if event.stream_id in self._streams:
                entry = self._streams[event.stream_id]
                self._settle(entry, Reply(entry.status, bytes(entry.body), seconds(entry.retry_after)))
            case events.StreamReset() if event.stream_id in self._streams:
                refused = event.error_code == _REFUSED_STREAM  # RFC 9113, 8.7: nothing was done about it
                self._settle(self._streams[event.stream_id], NotSent(NOT_CONNECTED, "refused") if refused else Unclear(NO_ANSWER))
            case events.PingAckReceived():
                self._pong.set()
            case events.ConnectionTerminated():
                self._going = True
                for number, entry in list(self._streams.items()):
                    if number > (event.last_stream_id or 0):  # RFC 9113, 6.8: those were not and will not be looked at
                        self._settle(entry, NotSent(NOT_CONNECTED, "GOAWAY"))
                self._window.set()
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                self._window.set()

    def _data(self, stream: int, data: bytes) -> None:
        entry = self._streams.get(stream)
        if entry is None:
            return
        entry.body += data
        if len(entry.body) > MAX_ANSWER_BYTES:
            self._settle(entry, Unclear(UNREADABLE))
            self.give_up(stream)

    def _settle(self, entry: _Stream, what: Reply | NotSent | Unclear) -> None:
        if entry.done.done():
            return
        if isinstance(what, Reply):
            entry.done.set_result(what)
        else:
            entry.done.set_exception(what)

    def _end(self) -> None:
        """Nothing comes any more: of what is under way nobody knows."""
        self.over = True
        for entry in list(self._streams.values()):
            self._settle(entry, Unclear(NO_ANSWER))
        self._window.set()
        self._pong.set()
        self._writer.close()
