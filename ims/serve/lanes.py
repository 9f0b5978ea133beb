"""The dispatcher of some lanes of a home: a source per stage and lane, and the upkeep of their files.

One process dispatches a lane; a lock in the home holds a second one off.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import IO

from functions.batch.jobs import retention
from ims import topics
from ims.adapters.embedded.clock_back import after_clock_went_back
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.upkeep import trim_log
from ims.config import Settings
from ims.errors import Later, Misconfigured
from ims.lanes import Lane
from ims.runtime.context import Context
from ims.runtime.source import Delivering, Sink, Source
from ims.serve.http import DRAIN_S
from ims.telemetry import log
from ims.wiring import store_of

COMMIT_S = 1.0  # how often groups store how far they are: what a kill -9 makes come again
MEASURE_S = 5.0
CHECKPOINT_S = 2.0
TRIM_S = 30.0
RETENTION_S = 3600.0  # on one machine nobody else fires `ims batch retention`
_PAGE_PAUSE_S = 0.05
TAKE_S = DRAIN_S + 5.0  # one that drains is gone by then; a start may take START_S (ims.serve.up)


class Lanes:
    """Sources and upkeep, started on the running loop."""

    def __init__(self, ctx: Context, settings: Settings, lanes: Sequence[Lane], sinks: Mapping[str, Sink]) -> None:
        self._ctx = ctx
        self._settings = settings
        self._lanes = lanes
        self._store = store_of(ctx)
        self._locks: list[IO[str]] = []
        delivering = Delivering(settings.delivery_retry, settings.delivery_delay_s, settings.delivery_timeout_s)
        self.sources: list[Source] = []
        for lane in lanes:
            members = []
            for stage, sink in sinks.items():
                if names := topics.consumed_by(stage, lane):
                    members.append(EmbeddedSubscription(self._store, lane, stage, names))
                    source = Source(stage, lane, subscription=members[-1], sink=sink, journal=ctx.journal, delivering=delivering)
                    self.sources.append(source)
            self._store.bells.listen(lane, _tell(members))

    async def take(self, wait_s: float = TAKE_S) -> None:
        """Become the dispatcher of the lanes. Who had them may still be draining: it was orphaned by a kill -9, say."""
        deadline = asyncio.get_running_loop().time() + wait_s
        for lane in self._lanes:
            lock = open(self._settings.home / f"{lane}.dispatch.lock", "w")  # noqa: SIM115, ASYNC230 - held as long as we live; opening takes no time
            self._locks.append(lock)
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if asyncio.get_running_loop().time() > deadline:
                        self.release()
                        raise Misconfigured(f"lane {lane} of {self._settings.home} is being dispatched by another process") from None
                await asyncio.sleep(0.1)
            if back_ms := await after_clock_went_back(self._store, lane, self._ctx.clock):
                log.warning("clock_went_back", lane=lane, seconds=back_ms // 1000)

    def release(self) -> None:
        """Let another process have the lanes."""
        for lock in self._locks:
            lock.close()
        self._locks.clear()

    def work(self) -> list[Awaitable[None]]:
        """Everything to run side by side."""
        return [
            *(source.run() for source in self.sources),
            _every(COMMIT_S, self._commit),
            _every(MEASURE_S, self._measure),
            _every(CHECKPOINT_S, self._checkpoint),
            _every(TRIM_S, self._trim),
            _every(RETENTION_S, self._retention),
        ]

    async def stop(self) -> None:
        """Let what is open finish, store how far the groups are. The lanes stay ours until `release`."""
        await asyncio.gather(*(source.stop(DRAIN_S) for source in self.sources))

    async def _commit(self) -> None:
        for source in self.sources:
            await source.commit()

    async def _measure(self) -> None:
        for source in self.sources:
            await source.measure()

    async def _checkpoint(self) -> None:
        for lane in self._lanes:
            await self._store.files[lane].checkpoint()

    async def _trim(self) -> None:
        retention_ms = int(self._settings.log_retention_s * 1000)
        for lane in self._lanes:
            groups = {s.stage: topics.consumed_by(s.stage, lane) for s in self.sources if s.lane is lane}
            while await trim_log(self._store, lane, self._ctx.clock, retention_ms, groups):
                await asyncio.sleep(_PAGE_PAUSE_S)

    async def _retention(self) -> None:
        await retention(self._ctx, self._lanes, self._settings.history_days)


def _tell(members: list[EmbeddedSubscription]) -> Callable[[set[str]], None]:
    def heard(names: set[str]) -> None:
        for member in members:
            member.heard(names)

    return heard


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Later as exc:
            log.warning("upkeep_waits", error=type(exc).__name__)
