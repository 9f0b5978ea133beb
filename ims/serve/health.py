"""/healthz and /metrics of a process that serves no function: a worker, a dispatcher. Answered by the loop that works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ims.serve.metrics import exposition


@asynccontextmanager
async def health(host: str, port: int) -> AsyncIterator[None]:
    """Answer while the block runs; port 0: do nothing."""
    if not port:
        yield
        return
    app = web.Application()
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=exposition(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})
