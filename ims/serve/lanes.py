"""The dispatcher of some lanes: a source per stage and lane over whatever the log is, and the log's upkeep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from functions.batch.jobs import retention
from ims.config import Settings
from ims.errors import Later
from ims.lanes import Lane
from ims.runtime.context import Context
from ims.runtime.source import Delivering, Sink, Source
from ims.serve.http import DRAIN_S
from ims.telemetry import log
from ims.wiring import reader_of

COMMIT_S = 1.0  # how often groups store how far they are: what a kill -9 makes come again
MEASURE_S = 5.0
RETENTION_S = 3600.0  # where nobody fires `ims batch retention`; where somebody does, it finds nothing left to do
TAKE_S = DRAIN_S + 5.0  # one that drains is gone by then; a start may take START_S (ims.serve.up)


class Lanes:
    """Sources and upkeep, started on the running loop."""

    def __init__(self, ctx: Context, settings: Settings, lanes: Sequence[Lane], sinks: Mapping[str, Sink]) -> None:
        self._ctx = ctx
        self._settings = settings
        self._lanes = lanes
        self._reader = reader_of(ctx)
        delivering = Delivering(settings.delivery_retry, settings.delivery_delay_s, settings.delivery_timeout_s)
        self._stages = list(sinks)
        self._subscriptions = self._reader.subscribe(lanes, self._stages)
        self.sources = [
            Source(of.stage, of.lane or Lane.MASS, subscription=each, sink=sinks[of.stage], journal=ctx.journal, delivering=delivering)
            for of, each in self._subscriptions
        ]

    async def take(self, wait_s: float = TAKE_S) -> None:
        """Become the dispatcher of the lanes."""
        await self._reader.take(self._lanes, self._stages, wait_s)

    def release(self) -> None:
        """Let another process have the lanes."""
        self._reader.release()

    def work(self) -> list[Awaitable[None]]:
        """Everything to run side by side."""
        return [
            *(source.run() for source in self.sources),
            _every(COMMIT_S, self._commit),
            _every(MEASURE_S, self._measure),
            *(_every(seconds, step) for seconds, step in self._reader.upkeep(self._lanes, self._stages)),
            *([_every(RETENTION_S, self._retention)] if "store" in self._stages else []),
        ]

    async def stop(self) -> None:
        """Let what is open finish, store how far the groups are, leave them. The lanes stay ours until `release`."""
        await asyncio.gather(*(source.stop(DRAIN_S) for source in self.sources))
        await asyncio.gather(*(subscription.close() for _, subscription in self._subscriptions))

    async def _commit(self) -> None:
        for source in self.sources:
            await source.commit()

    async def _measure(self) -> None:
        for source in self.sources:
            await source.measure()

    async def _retention(self) -> None:
        await retention(self._ctx, self._lanes, self._settings.history_days, self._settings.audit_days)


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Later as exc:
            log.warning("upkeep_waits", error=type(exc).__name__)
