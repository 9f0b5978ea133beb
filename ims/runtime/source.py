"""Delivers a subscription to a function with KafkaSource's own semantics, but for what would lose an event.

Unordered window: at most WINDOW events open per source; one that waits for a retry keeps its place. Status table,
back-off and dead letters as the real dispatcher does them. Deliberate differences: a dead letter that cannot be
written is tried for ever (there it is lost), a sink that is not there yet costs no retry, a store that is away never makes
a dead letter, header names cannot wedge us.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ims import topics
from ims.errors import Later
from ims.lanes import Lane
from ims.ports.log import Delivery, Subscription
from ims.ports.records import Change, Journal
from ims.protocol.envelope import Record
from ims.telemetry import DEAD, LAG, log

WINDOW = 50  # max.poll.records of the real one: it polls only while fewer are open
_RETRIED = {404, 408, 409, 429}
_AWAY = b"Unavailable"  # the word of ims.runtime.stage for a store or peer that is away
_AWAY_S = 30.0
_IDLE_S = 1.0  # a ring comes at once; this is for one that was lost


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sink said; status 0: no answer (time-out, refused or broken connection)."""

    status: int
    body: bytes = b""


Sink = Callable[[dict[str, str], bytes], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Delivering:
    """The `delivery` block of a source. Wait before attempt k+1: delay_s x 2^k."""

    retry: int = 8
    delay_s: float = 0.2
    timeout_s: float = 90.0


def retried(status: int) -> bool:
    """Whether the real dispatcher tries again after this status."""
    return status == 0 or status >= 500 or status in _RETRIED


def wait_before(attempt: int, delay_s: float) -> float:
    """Seconds before attempt 2, 3, ...: 2, 4, 8 ... times the delay; neither jitter nor cap, as the real one."""
    return float(delay_s * 2 ** (attempt - 1))


class Source:
    """One stage in one lane."""

    def __init__(
        self, stage: str, lane: Lane, *, subscription: Subscription, sink: Sink, journal: Journal, delivering: Delivering
    ) -> None:
        self.stage = stage
        self.lane = lane
        self._subscription = subscription
        self._sink = sink
        self._journal = journal
        self._delivering = delivering
        self._open: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Deliver until `stop`; cancellable, what was open then comes again."""
        while not self._stopping:
            room = WINDOW - len(self._open)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            try:
                got = await self._subscription.fetch(room)
            except Later as exc:
                log.warning("log_away", stage=self.stage, lane=self.lane, error=type(exc).__name__)
                await asyncio.sleep(1)
                continue
            if not got:
                await self._subscription.wait(_IDLE_S)
                continue
            for delivery in got:
                task = asyncio.create_task(self._deliver(delivery))
                self._open.add(task)
                task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._room.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("delivery_broke", stage=self.stage, lane=self.lane, error=type(exc).__name__)

    async def stop(self, grace_s: float) -> None:
        """Take no more, wait for what is open (bounded), commit."""
        self._stopping = True
        if self._open:
            await asyncio.wait(self._open, timeout=grace_s)
        for task in list(self._open):
            task.cancel()
        await self.commit()

    async def commit(self) -> None:
        """Store how far the group has come."""
        await self._subscription.commit()

    async def measure(self) -> int:
        """Refresh the lag metric."""
        lag = await self._subscription.lag()
        LAG.labels(self.stage, self.lane.value).set(lag)
        return lag

    async def _deliver(self, delivery: Delivery) -> None:
        record = Record(delivery.topic, delivery.attributes, delivery.data)
        headers = record.headers()
        headers["ce-knativekafkapartition"] = str(delivery.partition)
        headers["ce-knativekafkaoffset"] = str(delivery.offset)
        headers["prefer"] = "reply"
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(self._delivering.timeout_s):  # not wait_for: on 3.11 it may forget a cancellation
                    answer = await self._sink(headers, delivery.data)
            except TimeoutError:
                answer = Answer(0)
            if 200 <= answer.status < 300:
                break
            if answer.status == 503 and _AWAY in answer.body and attempt > self._delivering.retry:
                attempt -= 1  # invariant 9: nothing becomes a dead letter because a store slept, or a disk was full, for an hour
                await asyncio.sleep(min(wait_before(attempt + 1, self._delivering.delay_s), _AWAY_S))
                continue
            if retried(answer.status) and attempt <= self._delivering.retry:
                await asyncio.sleep(wait_before(attempt + 1, self._delivering.delay_s))
                continue
            await self._bury(record, answer)
            break
        self._subscription.finish(delivery)

    async def _bury(self, record: Record, answer: Answer) -> None:
        """The event as it was, with why, to the stage's dead letter topic; never given up."""
        attributes = {**record.attributes, "knativeerrordest": f"ims:{self.stage}"}
        if answer.status:
            attributes["knativeerrorcode"] = str(answer.status)
            if answer.body:
                attributes["knativeerrordata"] = base64.b64encode(answer.body[:1024]).decode()
        letter = Record(topics.dead(self.stage), attributes, record.data)
        DEAD.labels(self.stage, self.lane.value).inc()
        log.error("dead_letter", stage=self.stage, lane=self.lane, id=record.id, status=answer.status)
        wait = 0.2
        while True:
            try:
                await self._journal.commit(self.lane, Change(), [letter])
                return
            except Later:
                await asyncio.sleep(wait)
                wait = min(wait * 2, 30)
