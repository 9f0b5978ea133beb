"""Appends records to Kafka: acknowledged by min.insync replicas, or an error in time.

kafka-python's idempotent producer can hang for good once a batch that was sent before expires. So an append has a deadline far below that
expiry, and a deadline that passes ends the producer: the next append gets a new one. Until it has proved itself, appends fail at once, so
that whoever has another place for its records (the outbox) uses it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from kafka.errors import KafkaError

from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection
from ims.adapters.kafka.producer import Failure, Producer, in_time, limits_of, size_of, told, too_large
from ims.adapters.kafka.threads import in_thread
from ims.errors import ImsError, Misconfigured, TooLarge, Unavailable
from ims.protocol.envelope import Record
from ims.telemetry import LOG_APPEND_SECONDS, LOG_APPENDS, log

REST_S = 1.0  # how long appends fail at once after one ran into its deadline, before one is let through to try
FORGET_S = 5.0  # how long a topic that is not there is not asked for again
_CLOSE_S = 10.0
_FRAME_BYTES = 200  # of a batch of one record: 61 of the batch, some of the record, its key
_BUILD_S = 15.0  # the library itself gives up sooner (`bootstrap_timeout_ms`)


class KafkaAppender:
    """The Appender over a cluster. Nothing connects before the first append; one per process and event loop."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        client_id: str = "ims",
        deadline_s: float = 10.0,
        in_flight_records: int = 1000,  # of 48 KiB at most: bounds memory, the library's producer does not
        linger_ms: int = 0,
        compression: str | None = None,  # data is sealed: random bytes (docs/decisions/0006)
    ) -> None:
        self._connection = connection
        self._client_id = client_id
        self._deadline_s = deadline_s
        self._most = in_flight_records
        self._linger_ms = linger_ms
        self._compression = compression
        self._producer: Producer | None = None
        self._building: asyncio.Task[Producer] | None = None
        self._dropping: set[asyncio.Task[None]] = set()
        self._door = asyncio.Lock()
        self._freed = asyncio.Event()
        self._missing: dict[str, float] = {}
        self._rests_until: float | None = None  # None: healthy
        self._trying = False

    @property
    def healthy(self) -> bool:
        """Whether an append now is more than an attempt."""
        return self._rests_until is None

    async def append(self, records: Sequence[Record]) -> None:
        if not records:
            return
        trying = self._admit()
        began = time.perf_counter()
        outcome = "broke"
        try:
            await self._append(records)
            outcome = "stored"
            self._rests_until = None
        except ImsError as exc:
            outcome = type(exc).__name__.lower()
            raise
        finally:
            if trying:
                self._trying = False
            LOG_APPENDS.labels(outcome).inc()
            LOG_APPEND_SECONDS.observe(time.perf_counter() - began)

    def _admit(self) -> bool:
        """Whether this append is the one that tries whether the log is back."""
        if self._rests_until is None:
            return False
        if self._trying or asyncio.get_running_loop().time() < self._rests_until:
            LOG_APPENDS.labels("refused").inc()
            raise Unavailable("Kafka did not take records a moment ago")
        self._trying = True
        return True

    async def _append(self, records: Sequence[Record]) -> None:
        for again in (True, False):
            failures = await self._send(records)
            if not failures:
                return
            await self._explain(failures)
            if not (again and all(in_time(failure.error) for failure in failures)):
                break
        raise told(failures[0].error)

    async def _send(self, records: Sequence[Record]) -> list[Failure]:
        """One try. A producer that failed a record is used no more."""
        producer: Producer | None = None
        crowded = self._door.locked()
        try:
            async with asyncio.timeout(self._deadline_s):
                producer = await self._ready()
                await self._know(producer, {record.topic for record in records})
                async with self._door:  # whoever has waited longest goes first
                    while crowded := bool(producer.in_flight) and producer.in_flight + len(records) > self._most:
                        self._freed.clear()
                        await self._freed.wait()
                    call = producer.send(records, self._freed.set)
                failures = await call.done
        except TimeoutError:
            if crowded:
                raise Unavailable("too many records are on their way to Kafka") from None
            self._condemn(producer, rest=True)
            raise Unavailable("Kafka did not take records in time") from None
        except Unavailable:
            self._condemn(producer, rest=True)
            raise
        if failures:
            self._condemn(producer, rest=not all(in_time(failure.error) for failure in failures))
        return failures

    async def _explain(self, failures: Sequence[Failure]) -> None:
        """Raise what is definite about them.

        After one record that a broker refuses for good the library fails every later one, and those of others on their way, with that same
        error: it says little of the record at hand.
        """
        for failure in failures:
            if isinstance(said := told(failure.error), Misconfigured) and failure.record.topic in str(said):
                raise said
        large = [failure.record for failure in failures if too_large(failure.error)]
        if not large:
            return
        topics = {record.topic for record in large}
        try:
            limits = await in_thread("ims-kafka-topics", lambda: limits_of(self._connection, self._client_id, topics), self._deadline_s)
        except TimeoutError:
            raise Unavailable("Kafka does not answer") from None
        for record in large:
            if size_of(record) > limits.get(record.topic, MAX_RECORD_BYTES) - _FRAME_BYTES:
                raise TooLarge(f"record {record.id} has {size_of(record)} bytes, topic {record.topic} takes {limits.get(record.topic)}")

    async def _ready(self) -> Producer:
        if self._producer is not None:
            return self._producer
        if self._building is None or self._building.done():
            self._building = asyncio.create_task(self._build())
            self._building.add_done_callback(_seen)
        return await asyncio.shield(self._building)

    async def _know(self, producer: Producer, topics: set[str]) -> None:
        """`send` may block on a topic that is not known."""
        new = [topic for topic in topics if not producer.knows(topic)]
        if not new:
            return
        now = asyncio.get_running_loop().time()
        for topic in new:
            if self._missing.get(topic, 0.0) > now:
                raise Misconfigured(f"Kafka has no topic {topic}, or this user may not see it: `ims topics apply`")
        try:
            await in_thread("ims-kafka-topics", lambda: producer.look_for(new), self._deadline_s)
        except Misconfigured:
            self._missing |= {topic: now + FORGET_S for topic in new if not producer.knows(topic)}
            raise

    async def _build(self) -> Producer:
        def build() -> Producer:
            return Producer(self._connection, self._client_id, self._deadline_s, self._linger_ms, self._compression)

        try:
            producer = await in_thread("ims-kafka-producer", build, _BUILD_S)
        except KafkaError as exc:
            raise told(exc) from exc
        self._producer = producer
        return producer

    def _condemn(self, producer: Producer | None, *, rest: bool) -> None:
        """No append uses it again; `rest`: it did not answer in time, or could not be made, so appends fail for a while."""
        if producer is not self._producer:
            return  # others were waiting for it too
        self._producer = None
        if rest:
            self._rests_until = asyncio.get_running_loop().time() + REST_S
        log.warning("log_append_failed", rests=rest)
        if producer is None:
            return
        task = asyncio.create_task(in_thread("ims-kafka-drop", producer.drop, _CLOSE_S))
        self._dropping.add(task)
        task.add_done_callback(self._dropped)

    def _dropped(self, task: asyncio.Task[None]) -> None:
        self._dropping.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.warning("log_producer_left_behind", error=type(exc).__name__)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await in_thread("ims-kafka-close", lambda: producer.close(_CLOSE_S), 2 * _CLOSE_S)
            except TimeoutError:
                log.warning("log_producer_left_behind", error="TimeoutError")
        if self._dropping:
            await asyncio.wait(self._dropping, timeout=_CLOSE_S)


def _seen(task: asyncio.Task[Producer]) -> None:
    """Whoever waited for it may have stopped: its error is no news then."""
    if not task.cancelled():
        task.exception()
