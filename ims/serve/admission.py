"""How much may be open at the port at once: what comes beyond it is refused before it costs anything, and told when to come again.

Without it everything waits: a flood of single messages makes one-time codes wait behind it for seconds, and lists of 32 MiB
add up in memory. Auth has room of its own. Lists are counted by their bytes, since that is what they cost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from ims.codes import CODES
from ims.errors import Later
from ims.lanes import Lane
from ims.runtime.context import Context
from ims.telemetry import REFUSED

OPEN_MOST = 1_000  # single requests and questions: two thirds of a second of work at 1,500/s; a guess at what is still worth waiting for
AUTH_MOST = 1_000  # one-time codes, beside them
LISTS_BYTES = 128 * 1024 * 1024  # bodies of lists: four of the largest; decoded they take about four times that
LISTS_MOST = 256
FILES_MOST = 32  # uploads and questions about files; center holds fewer bodies still
_UNDECLARED_BYTES = 32 * 1024 * 1024  # a list that does not say how large it is may be as large as a list may be
_DROP_S = 10.0
_HOLD_S = 0.5  # before a refusal is said: who asks again at once would take the processor from those who were let in
_RETRY_AFTER_S = CODES["9998"].retry_after_s or 1
_BUSY = json.dumps({"code": "9998", "message": CODES["9998"].ko}, ensure_ascii=False).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BUSY)), (b"retry-after", b"%d" % _RETRY_AFTER_S)]

KindOf = Callable[[str], Awaitable[Lane | None]]


def kinds(ctx: Context) -> KindOf:
    """The kinds of service keys, as a process's registry knows them."""

    async def kind_of(service_key: str) -> Lane | None:
        try:
            key = (await ctx.registry.directory()).service_key(service_key)
        except Later:
            return None
        return key.kind if key else None

    return kind_of


class _Room:
    """What is open of one sort."""

    def __init__(self, most: int, size_most: int = 0) -> None:
        self._most = most
        self._size_most = size_most
        self.open = 0
        self._size = 0

    def enter(self, size: int = 0) -> bool:
        """False: full. One always fits into an empty room, whatever its size."""
        if self.open and (self.open >= self._most or self._size + size > self._size_most > 0):
            return False
        self.open += 1
        self._size += size
        return True

    def leave(self, size: int = 0) -> None:
        self.open -= 1
        self._size -= size


class Admission:
    """Wraps what answers clients. `kind_of`: the kind of a service key, none for one that nobody has."""

    def __init__(self, app: ASGIApp, kind_of: KindOf) -> None:
        self._app = app
        self._kind_of = kind_of
        self._singles, self._auth, self._files = _Room(OPEN_MOST), _Room(AUTH_MOST), _Room(FILES_MOST)
        self._lists = _Room(LISTS_MOST, LISTS_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = scope["path"].split("/", 3) if scope["type"] == "http" else []
        if len(parts) != 4 or parts[1] != "ims":
            await self._app(scope, receive, send)  # lifespan, health, the document: never refused
            return
        size, room = 0, self._singles
        if parts[3].endswith("sendMessages"):
            size, room = _size(scope), self._lists
        elif parts[3].partition("/")[0] == "files":
            room = self._files
        elif await self._kind_of(parts[2]) is Lane.AUTH:
            room = self._auth
        if not room.enter(size):
            await self._refuse(receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            room.leave(size)

    @staticmethod
    async def _refuse(receive: Receive, send: Send) -> None:
        """9998 and Retry-After. The body is read away, or the client would see a broken connection instead."""
        REFUSED.labels("9998").inc()
        try:
            async with asyncio.timeout(_DROP_S):
                while (await receive()).get("more_body"):
                    pass
        except TimeoutError:
            pass
        await asyncio.sleep(_HOLD_S)
        await send({"type": "http.response.start", "status": CODES["9998"].status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _BUSY})


def _size(scope: Scope) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() and len(declared) < 12 else _UNDECLARED_BYTES
