"""One function as an ASGI application: functions-framework's own app, with what it lacks: health, lifespan, drain.

Entry of a container (`IMS_FUNCTION=route`, `ims serve route`). Answers /healthz (the process lives), /readyz (it takes
work) and /metrics; everything else goes to the function. On SIGTERM the server stops accepting, open requests finish,
then the context is closed: acknowledgements are awaited before answers, so nothing is left to lose.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from functions_framework.aio import create_asgi_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ims.config import Settings
from ims.runtime.context import Context, install
from ims.runtime.tracing import Tracer
from ims.serve.metrics import exposition
from ims.wiring import build, close

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
NAMES = ("intake", "route", "send_mt", "send_kakao", "receipt", "report", "callback", "store", "analyze", "deadletter")
_METHODS = {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"}


def framework_app(name: str) -> ASGIApp:
    """The application that functions-framework makes of functions/<name>/main.py."""
    if name not in NAMES:
        raise ValueError(f"no function is called {name!r}")
    app: ASGIApp = create_asgi_app("main", str(FUNCTIONS / name / "main.py"))
    return app


async def plain(send: Send, status: int, body: bytes, kind: bytes = b"text/plain; charset=utf-8") -> None:
    """A whole small answer."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


class FunctionApp:
    """The wrapper of one function. `ctx` given: somebody else builds and closes it."""

    def __init__(self, name: str, settings: Settings, ctx: Context | None = None) -> None:
        self._name = name
        self._settings = settings
        self._ctx = ctx
        self._own = ctx is None
        self._app: ASGIApp | None = framework_app(name) if ctx else None
        self._tracing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path = scope["path"]
        if path == "/healthz":
            await plain(send, 200, b"ok")
        elif path == "/readyz":
            await plain(send, 200 if self._app else 503, b"ready" if self._app else b"starting")
        elif path == "/metrics":
            await plain(send, 200, exposition(), b"text/plain; version=0.0.4; charset=utf-8")
        elif self._app is None:
            await plain(send, 503, b"starting")
        else:
            if scope["method"] not in _METHODS:
                scope = {**scope, "method": "PATCH"}  # nobody serves it: the function answers its own 1405
            await self._app(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        tracer: Tracer | None = None
        while True:
            message: Message = await receive()
            if message["type"] == "lifespan.startup":
                if self._own:
                    self._ctx = build(self._settings, self._name)
                    install(self._ctx)
                    tracer = Tracer(self._ctx)
                    self._ctx.trace = tracer.note
                    self._tracing = asyncio.create_task(tracer.run())
                    self._app = framework_app(self._name)
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._own and self._ctx:
                    if self._tracing and tracer:
                        self._tracing.cancel()
                        await tracer.flush()
                    await close(self._ctx)
                await send({"type": "lifespan.shutdown.complete"})
                return
