"""One port for clients: single messages are answered here, lists and files are handed on to the process that decodes them.

Decoding 50,000 rows holds an interpreter for a tenth of a second, a picture a processor; a one-time code must not wait for that.
Bodies are streamed, never kept. On Knative the same rules are routes of the gateway (intake-bulk, center).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
from starlette.types import ASGIApp, Receive, Scope, Send

from ims.codes import CODES
from ims.rules.registers import REGISTERS

FORWARDED = "x-ims-forwarded-for"
TOKEN = "x-ims-internal"  # noqa: S105 - the header's name; its value is drawn at each start
CENTERS = ("files", "campaigns", "stat", "hist", "codes", "audit", *REGISTERS)  # first parts, after the service key, of what center answers
_TIMEOUT_S = 120.0
_BUSY = json.dumps({"code": "9998", "message": CODES["9998"].ko}, ensure_ascii=False).encode()
_HOP = {"connection", "transfer-encoding"}
_DROPPED = {b"host", b"connection", b"transfer-encoding", b"content-length", FORWARDED.encode(), TOKEN.encode()}


def is_centers(path: str) -> bool:
    """Whether center answers this path."""
    parts = path.split("/", 4)
    return len(parts) > 3 and parts[1] == "ims" and parts[3] in CENTERS


class Beside:
    """Two applications on one port: center's paths go to the second."""

    def __init__(self, app: ASGIApp, center: ASGIApp) -> None:
        self._app = app
        self._center = center

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        centers = scope["type"] == "http" and is_centers(scope["path"])
        await (self._center if centers else self._app)(scope, receive, send)


class Gateway:
    """Wraps intake's application; `target` is the base URL of the process that decodes lists and files."""

    def __init__(self, app: ASGIApp, target: str, token: str) -> None:
        self._app = app
        self._target = target
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"].endswith("/sendMessages") or is_centers(scope["path"])):
            await self._forward(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64), timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), auto_decompress=False
            )
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"] if k not in _DROPPED]
        headers += [(TOKEN, self._token), (FORWARDED, (scope.get("client") or ("", 0))[0])]
        if length := next((v for k, v in scope["headers"] if k == b"content-length"), None):
            headers.append(("content-length", length.decode("latin-1")))
        url = f"{self._target}{scope['raw_path'].decode('latin-1')}"
        if scope["query_string"]:
            url += "?" + scope["query_string"].decode("latin-1")
        started = False
        try:
            async with self._session.request(scope["method"], url, headers=headers, data=_body(receive), allow_redirects=False) as response:
                out = [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items() if k.lower() not in _HOP]
                body = await response.read()
                started = True
                await send({"type": "http.response.start", "status": response.status, "headers": out})
                await send({"type": "http.response.body", "body": body})
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
            if not started:  # it restarts: the client repeats the request, which finishes it
                busy = [(b"content-type", b"application/json"), (b"retry-after", b"2")]
                await send({"type": "http.response.start", "status": 503, "headers": busy})
                await send({"type": "http.response.body", "body": _BUSY})

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise aiohttp.ClientConnectionError("the client went away")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


class BehindGateway:
    """On the other side: believes the forwarded address only from who knows the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if self._token and headers.get(TOKEN.encode()) == self._token:
                scope = {**scope, "client": (headers.get(FORWARDED.encode(), b"").decode("latin-1"), 0)}
        await self._app(scope, receive, send)
