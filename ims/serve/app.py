"""Functions as an ASGI application: functions-framework's own app, with what it lacks: health, lifespan, a time limit, drain.

Entry of a container (`IMS_FUNCTION=route`, `ims serve route`). Answers /healthz (the process lives), /readyz (it takes
work) and /metrics; everything else goes to the function. Several functions (`IMS_FUNCTION=route,report`) are told apart by
the path: a KafkaSource delivers to `/route`. On SIGTERM the server stops accepting, open requests finish, then the context
is closed: acknowledgements are awaited before answers, so nothing is left to lose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from functions_framework.aio import create_asgi_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ims.config import Settings
from ims.runtime.breaker import share
from ims.runtime.context import Context, install
from ims.runtime.tracing import Tracer
from ims.serve.admission import Admission, kinds
from ims.serve.metrics import exposition
from ims.telemetry import log
from ims.topics import SENDERS, STAGES
from ims.wiring import build, close

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
NAMES = ("intake", *STAGES, "receipt", "center")
CALL_PROVIDERS = frozenset({*SENDERS, "receipt"})  # the only ones that need a provider's secrets
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
    """The wrapper of some functions. `ctx` given: somebody else builds and closes it."""

    def __init__(self, names: Sequence[str], settings: Settings, ctx: Context | None = None) -> None:
        self._names = names
        self._settings = settings
        self._ctx = ctx
        self._own = ctx is None
        self._apps: dict[str, ASGIApp] = self._load() if ctx else {}
        self._tasks: list[asyncio.Task[None]] = []

    def _load(self) -> dict[str, ASGIApp]:
        return {name: framework_app(name) for name in self._names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path = scope["path"]
        if path == "/healthz":
            await plain(send, 200, b"ok")
        elif path == "/readyz":
            await plain(send, 200 if self._apps else 503, b"ready" if self._apps else b"starting")
        elif path == "/metrics":
            await plain(send, 200, exposition(), b"text/plain; version=0.0.4; charset=utf-8")
        elif not self._apps:
            await plain(send, 503, b"starting")
        elif (name := self._names[0] if len(self._names) == 1 else path.strip("/")) not in self._apps:
            await plain(send, 404, b"no such function here")  # comes again, as a dead letter only in the end: the source may be ahead of us
        else:
            await self._call(name, scope, receive, send)

    async def _call(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """What is cut off here comes again, and finds what was written down: it is as if the process had died."""
        if scope["method"] not in _METHODS:
            scope = {**scope, "method": "PATCH"}  # nobody serves it: the function answers its own 1405
        if name not in STAGES:
            await self._apps[name](scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._settings.handler_limit_s):
                await self._apps[name](scope, receive, send)
        except TimeoutError:
            log.error("handler_limit", stage=name, seconds=self._settings.handler_limit_s)
            await plain(send, 503, b"HandlerLimit")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        tracer: Tracer | None = None
        while True:
            message: Message = await receive()
            if message["type"] == "lifespan.startup":
                if self._own:
                    process = self._names[0] if len(self._names) == 1 else "stages"
                    self._ctx = build(self._settings, process, with_providers=not CALL_PROVIDERS.isdisjoint(self._names))
                    install(self._ctx)
                    tracer = Tracer(self._ctx)
                    self._ctx.trace = tracer.note
                    sharing = share(self._ctx.breakers, self._ctx.shared, self._ctx.clock)
                    self._tasks = [asyncio.create_task(tracer.run()), asyncio.create_task(sharing)]
                    self._apps = self._load()
                    if "intake" in self._apps:  # what is too much is refused in our own words, where queue-proxy would say its own
                        self._apps["intake"] = Admission(self._apps["intake"], kinds(self._ctx))
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._own and self._ctx:
                    for task in self._tasks:
                        task.cancel()
                    if tracer:
                        await tracer.flush()
                    await close(self._ctx)
                await send({"type": "lifespan.shutdown.complete"})
                return
