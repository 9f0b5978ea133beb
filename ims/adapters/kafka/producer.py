"""One kafka-python producer: made and let go off the event loop, spoken to from it without ever blocking it.

Of the library's own parts it uses `_metadata` (whether a topic is known: `send` would block on one that is not) and `_sender` (a producer
that hangs is let go by nothing else). Both are held by tests/contracts/log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, errors

from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection
from ims.adapters.kafka.messages import to_headers
from ims.errors import ImsError, Misconfigured, TooLarge, Unavailable
from ims.protocol.envelope import Record

DELIVERY_TIMEOUT_S = 120  # never reached: the deadline of an append is shorter, and ends the producer (see KafkaAppender)
_LOOK_S = 2.0  # how long the metadata of a new topic is waited for
_BATCH_BYTES = 128 * 1024

_REFUSED = (errors.AuthorizationError, errors.SaslAuthenticationFailedError, errors.InvalidTopicError)
_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


class Call:
    """One append on its way: the event loop is told once, when its last record is answered."""

    def __init__(self, count: int, freed: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._count = self._left = count
        self._freed = freed
        self._error: ImsError | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def stored(self, _metadata: object) -> None:
        """One of its records is durable. On the library's thread."""
        self._answered(None)

    def failed(self, record: Record, error: BaseException) -> None:
        """One of its records is not. On the library's thread."""
        self._answered(told(error, record))

    def _answered(self, error: ImsError | None) -> None:
        with self._lock:
            self._left -= 1
            if error is not None and (self._error is None or isinstance(self._error, Unavailable)):
                self._error = error  # a definite word counts for more than "not now"
            last = self._left == 0
        if last and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._freed(self._count)
        if self.done.done():
            return
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(None)


class Producer:
    """Until it is let go."""

    def __init__(self, connection: KafkaConnection, client_id: str, deadline_s: float, linger_ms: int, compression: str | None) -> None:
        """Blocks for at most the connection's bootstrap time-out, and raises the library's KafkaTimeoutError then."""
        self._connection = connection
        self._client_id = client_id
        self.in_flight = 0  # records, also of appends that nobody waits for any more
        self._kafka = KafkaProducer(
            **connection.client(client_id),
            metrics_enabled=False,  # nobody reads them; they cost CPU per record
            acks="all",
            enable_idempotence=True,
            linger_ms=linger_ms,
            batch_size=_BATCH_BYTES,
            compression_type=compression,
            max_request_size=MAX_RECORD_BYTES,
            allow_auto_create_topics=False,
            max_block_ms=int(_LOOK_S * 1000),
            delivery_timeout_ms=DELIVERY_TIMEOUT_S * 1000,
            request_timeout_ms=max(1000, int(deadline_s * 500)),  # a broker that hangs leaves time for another try
        )

    def knows(self, topic: str) -> bool:
        """Whether `send` to it returns at once."""
        return self._kafka._metadata.partitions_for_topic(topic) is not None

    def look_for(self, topics: Collection[str]) -> None:
        """Learn where the topics are. Blocks; Misconfigured for one that is not there or not ours to write, else Unavailable."""
        for topic in topics:
            try:
                self._kafka.partitions_for(topic)
            except errors.KafkaTimeoutError as exc:
                if topic not in self._topics():
                    raise Misconfigured(f"Kafka has no topic {topic}, or this user may not see it: `ims topics apply`") from exc
                raise Unavailable("Kafka does not say where a topic is") from exc
            except errors.KafkaError as exc:
                raise told(exc) from exc

    def _topics(self) -> set[str]:
        try:
            admin = KafkaAdminClient(**self._connection.client(self._client_id))
        except errors.KafkaError as exc:
            raise told(exc) from exc
        try:
            return set(admin.list_topics())
        except errors.KafkaError as exc:
            raise told(exc) from exc
        finally:
            admin.close()

    def send(self, records: Sequence[Record], freed: Callable[[], None]) -> Call:
        """Hand all of them to the library; of topics that are known only. TooLarge before any is handed over.

        `freed` is called on the event loop when the last of them is answered.
        """
        messages = [_message(record) for record in records]

        def answered(count: int) -> None:
            self.in_flight -= count
            freed()

        call = Call(len(records), answered)
        self.in_flight += len(records)
        for record, message in zip(records, messages, strict=True):
            try:
                future = self._kafka.send(record.topic, **message)
            except Exception as exc:
                call.failed(record, exc)
                continue
            future.add_callback(call.stored)
            future.add_errback(lambda error, record=record: call.failed(record, error))
        return call

    def close(self, timeout_s: float) -> None:
        """Wait for what is on its way, then end. Blocks; on a hung producer as long as told."""
        try:
            self._kafka.close(timeout=timeout_s)
        except Exception:
            self.drop()

    def drop(self) -> None:
        """End it now; what is on its way fails. Blocks for a moment only."""
        self._kafka._sender.force_close()
        try:
            self._kafka.close(timeout=0)
        except errors.KafkaError:
            return  # it says that something was still on its way


def _message(record: Record) -> dict[str, Any]:
    headers = to_headers(record.attributes)
    size = len(record.data) + sum(len(name) + len(value) for name, value in headers)
    if size > MAX_RECORD_BYTES:
        raise TooLarge(f"record {record.id} has {size} bytes, the log takes {MAX_RECORD_BYTES}")
    key = record.attributes.get("partitionkey")
    return {"value": record.data, "key": key.encode() if key else None, "headers": headers}


def told(error: BaseException, record: Record | None = None) -> ImsError:
    """What a caller does about an error of the library."""
    if isinstance(error, _REFUSED):
        return Misconfigured(f"Kafka refuses: {type(error).__name__}" + (f" for topic {record.topic}" if record else ""))
    if isinstance(error, _LARGE) and record is not None:
        return TooLarge(f"record {record.id} has {len(record.data)} bytes of data, more than topic {record.topic} takes")
    return Unavailable(f"Kafka does not take records: {type(error).__name__}")
