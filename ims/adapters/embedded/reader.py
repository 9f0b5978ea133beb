"""The embedded log as its readers have it: a lock and a bell for each leg of a lane, and the upkeep of the lane's file."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import IO

from ims import topics
from ims.adapters.embedded.clock_back import after_clock_went_back
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.upkeep import trim_log
from ims.errors import Misconfigured
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.ports.log import Subscription
from ims.telemetry import log
from ims.topics import Leg, SourceOf

CHECKPOINT_S = 2.0
TRIM_S = 30.0
_PAGE_PAUSE_S = 0.05
_KEEPER = Leg.OUT  # does what is to be done once for each file; its stages are the cheaper ones


class EmbeddedReader:
    """ims.ports.log.Reader. One process reads a leg of a lane; a lock in the home holds a second one off."""

    def __init__(self, store: EmbeddedStore, home: Path, clock: Clock, retention_ms: int) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._retention_ms = retention_ms
        self._locks: list[IO[str]] = []

    async def take(self, lanes: Collection[Lane], stages: Collection[str], wait_s: float) -> None:
        """Who had them may still be draining: it was orphaned by a kill -9, say."""
        deadline = asyncio.get_running_loop().time() + wait_s
        for lane, leg in itertools.product(lanes, topics.legs(stages)):
            await self._lock(lane, leg, deadline)
            if leg is _KEEPER and (back_ms := await after_clock_went_back(self._store, lane, self._clock)):
                log.warning("clock_went_back", lane=lane, seconds=back_ms // 1000)

    async def _lock(self, lane: Lane, leg: Leg, deadline: float) -> None:
        lock = open(self._home / f"{lane}.{leg}.lock", "w")  # noqa: SIM115, ASYNC230 - held as long as we live; opening takes no time
        self._locks.append(lock)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    self.release()
                    raise Misconfigured(f"lane {lane} of {self._home} is being dispatched by another process ({leg})") from None
            await asyncio.sleep(0.1)

    def subscribe(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, Subscription]]:
        """Topics without a lane lie in every lane's file, so each lane has all of its stages."""
        members = self._members(lanes, stages)
        for lane, leg in itertools.product(lanes, topics.legs(stages)):
            mine = [member for of, member in members if of.lane is lane and topics.legs([of.stage]) == [leg]]
            self._store.bells.listen(lane, leg, _tell(mine))
        return list(members)

    async def lags(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, int]]:
        return [(of, await member.lag()) for of, member in self._members(lanes, stages)]

    def _members(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, EmbeddedSubscription]]:
        sources = (SourceOf(stage, lane, tuple(topics.consumed_by(stage, lane))) for lane in lanes for stage in stages)
        return [(of, EmbeddedSubscription(self._store, of.lane, of.stage, list(of.topics))) for of in sources if of.topics and of.lane]

    def upkeep(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        """Once for each file: by the process that has the shorter leg."""
        if _KEEPER not in topics.legs(stages):
            return []

        async def checkpoint() -> None:
            for lane in lanes:
                await self._store.files[lane].checkpoint()

        async def trim() -> None:
            for lane in lanes:
                groups = {stage: topics.consumed_by(stage, lane) for stage in topics.STAGES}
                while await trim_log(self._store, lane, self._clock, self._retention_ms, groups):
                    await asyncio.sleep(_PAGE_PAUSE_S)

        return [(CHECKPOINT_S, checkpoint), (TRIM_S, trim)]

    def release(self) -> None:
        for lock in self._locks:
            lock.close()
        self._locks.clear()


def _tell(members: list[EmbeddedSubscription]) -> Callable[[set[str]], None]:
    def heard(names: set[str]) -> None:
        for member in members:
            member.heard(names)

    return heard
