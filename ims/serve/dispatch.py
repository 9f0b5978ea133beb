"""`ims dispatch`: the dispatcher on its own, over functions that run elsewhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence

from ims.adapters.http.sink import HttpSinks
from ims.config import Settings
from ims.lanes import Lane
from ims.runtime.context import install
from ims.runtime.source import Answer, Sink
from ims.serve.health import health
from ims.serve.lanes import Lanes
from ims.wiring import build, close


async def dispatch(settings: Settings, lanes: Sequence[Lane], urls: Mapping[str, Sequence[str]], health_port: int = 0) -> None:
    """Deliver the lanes' events to the stages' URLs until a signal comes; then drain."""
    ctx = build(settings, "dispatch", with_providers=False)
    install(ctx)
    http = HttpSinks()

    def sink(targets: Sequence[str]) -> Sink:
        async def deliver(headers: dict[str, str], body: bytes) -> Answer:
            return Answer(*await http.post(targets, headers, body, settings.delivery_timeout_s))

        return deliver

    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    running = Lanes(ctx, settings, lanes, {stage: sink(targets) for stage, targets in urls.items()})
    await running.take()
    tasks = [asyncio.ensure_future(work) for work in running.work()]
    async with health(settings.host, health_port):
        await stop.wait()
    await running.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    running.release()
    await http.close()
    await close(ctx)
