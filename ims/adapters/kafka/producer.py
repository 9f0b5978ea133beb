"""One kafka-python producer: made and let go off the event loop, spoken to from it without ever blocking it.

Of the library's own parts it uses `_metadata` (whether a topic is known: `send` would block on one that is not) and `_sender` (a producer
that hangs is let go by nothing else). Both are held by tests/contracts/log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, errors
from kafka.admin import ConfigResource, ConfigResourceType

from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection
from ims.adapters.kafka.messages import to_headers
from ims.adapters.trust import untrusted
from ims.errors import ImsError, LoginRefused, Misconfigured, TooLarge, Unavailable, Untrusted
from ims.protocol.envelope import Record

DELIVERY_TIMEOUT_S = 120  # never reached: the deadline of an append is shorter, and ends the producer (see KafkaAppender)
_LOOK_S = 2.0  # how long the metadata of a new topic is waited for
_BATCH_BYTES = 512 * 1024  # twelve full events; with 128 KiB they cost twice the CPU and half the rate (docs/decisions/0006)

_REFUSED = (errors.AuthorizationError, errors.InvalidTopicError)


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that is not in the log, in the library's word."""

    record: Record
    error: BaseException


class Call:
    """One append on its way: the event loop is told once, when its last record is answered."""

    def __init__(self, count: int, freed: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._count = self._left = count
        self._freed = freed
        self._failures: list[Failure] = []
        self.done: asyncio.Future[list[Failure]] = self._loop.create_future()

    def stored(self, _metadata: object) -> None:
        """One of its records is durable. On the library's thread."""
        self._answered(None)

    def failed(self, record: Record, error: BaseException) -> None:
        """One of its records is not. On the library's thread."""
        self._answered(Failure(record, error))

    def _answered(self, failure: Failure | None) -> None:
        with self._lock:
            self._left -= 1
            if failure is not None:
                self._failures.append(failure)
            last = self._left == 0
        if last and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._freed(self._count)
        if not self.done.done():
            self.done.set_result(self._failures)


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
        return self._kafka._metadata.partitions_for_topic(self._connection.named(topic)) is not None

    def look_for(self, topics: Collection[str]) -> None:
        """Learn where the topics are. Blocks; Misconfigured for one that is not there or not ours to write, else Unavailable."""
        for topic in map(self._connection.named, topics):
            try:
                self._kafka.partitions_for(topic)
            except errors.KafkaTimeoutError as exc:
                if topic not in _ask(self._connection, self._client_id, lambda admin: admin.list_topics()):
                    raise Misconfigured(f"Kafka has no topic {topic}, or this user may not see it: `ims topics apply`") from exc
                raise Unavailable("Kafka does not say where a topic is") from exc
            except errors.KafkaError as exc:
                raise told(exc) from exc

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
                future = self._kafka.send(self._connection.named(record.topic), **message)
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


def limits_of(connection: KafkaConnection, client_id: str, topics: Collection[str]) -> dict[str, int]:
    """How many bytes each of them takes at once. Blocks."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, connection.named(topic)) for topic in topics]
    found = _ask(connection, client_id, lambda admin: admin.describe_configs(resources, config_filter="all"))
    return {connection.ours(topic): int(configs["max.message.bytes"]["value"]) for topic, configs in found["topic"].items()}


def _ask(connection: KafkaConnection, client_id: str, question: Callable[[KafkaAdminClient], Any]) -> Any:
    try:
        admin = KafkaAdminClient(**connection.client(client_id))
        try:
            return question(admin)
        finally:
            admin.close()
    except errors.KafkaError as exc:
        raise told(exc) from exc


def size_of(record: Record) -> int:
    """Bytes in the log, but for a frame of some dozen."""
    return len(record.data) + sum(len(name) + len(value) for name, value in to_headers(record.attributes))


def _message(record: Record) -> dict[str, Any]:
    size = size_of(record)
    if size > MAX_RECORD_BYTES:
        raise TooLarge(f"record {record.id} has {size} bytes, the log takes {MAX_RECORD_BYTES}")
    key = record.attributes.get("partitionkey")
    return {"value": record.data, "key": key.encode() if key else None, "headers": to_headers(record.attributes)}


def too_large(error: BaseException) -> bool:
    """Whether a broker says so, of this record or of one that went before it (see KafkaAppender)."""
    return isinstance(error, (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError))


def in_time(error: BaseException) -> bool:
    """Whether something was wrong with the producer or the records, not with the brokers' time."""
    return not isinstance(error, errors.KafkaTimeoutError)


def told(error: BaseException) -> ImsError:
    """What a caller does about an error of the library."""
    if isinstance(error, _REFUSED):
        return Misconfigured(f"Kafka refuses: {error}")
    if isinstance(error, errors.SaslAuthenticationFailedError) or isinstance(error.__cause__, errors.SaslAuthenticationFailedError):
        return LoginRefused("Kafka does not take the user and password")
    if untrusted(error):
        return Untrusted("Kafka shows a certificate that we do not trust")
    return Unavailable(f"Kafka does not answer: {type(error).__name__}")
