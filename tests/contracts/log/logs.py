"""The same log twice, embedded and Kafka, for suites that must not tell them apart."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from kafka import KafkaAdminClient

from ims import topics
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.connection import KafkaConnection
from ims.adapters.kafka.subscription import KafkaSubscription
from ims.lanes import Lane
from ims.ports.clock import system_clock
from ims.ports.log import Subscription
from ims.ports.records import Change
from ims.protocol.envelope import Emit, Envelopes, Record
from ims.protocol.events import DeliveryReported
from ims.protocol.ids import new_birth
from ims.protocol.sealing import Keyring, Sealer
from ims.runtime.stage import new_trace
from ims.topics import Leg

LANE = Lane.REALTIME
REPORT, RESULT, DEAD = topics.report(LANE), topics.result(LANE), topics.dead("report")
ENVELOPES = Envelopes(Sealer(Keyring.generate()), "test")

_number = itertools.count()


def records(n: int = 1, topic: str = REPORT) -> list[Record]:
    """Events as stages emit them."""
    ids = [new_birth(LANE, 0) for _ in range(n)]
    return [ENVELOPES.seal(Emit(topic, i, DeliveryReported(provider="t", reports=[]), i, LANE), new_trace(), 0) for i in ids]


class Log(Protocol):
    """A log of a test of its own, with the topics above."""

    name: str

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        """Append, as a Journal does."""
        ...

    def subscription(self, group: str, *names: str) -> Subscription:
        """A member of a group on some topics."""
        ...

    async def close(self) -> None: ...


class EmbeddedLog:
    """One file of the lane. Only one member of a group reads it."""

    name = "embedded"

    def __init__(self, home: Path) -> None:
        self.store = EmbeddedStore(home, ENVELOPES, system_clock(), Bells(home))
        self._subscriptions: list[EmbeddedSubscription] = []
        for leg in Leg:
            self.store.bells.listen(LANE, leg, self._ring)

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        await self.store.commit(lane, change, records, durable=durable)

    def subscription(self, group: str, *names: str) -> EmbeddedSubscription:
        self._subscriptions.append(EmbeddedSubscription(self.store, LANE, group, list(names)))
        return self._subscriptions[-1]

    def _ring(self, names: set[str]) -> None:
        for subscription in self._subscriptions:
            subscription.heard(names)

    async def close(self) -> None:
        self.store.close()


class KafkaLog:
    """Topics of its own on a cluster that others use too."""

    name = "kafka"

    def __init__(self, connection: KafkaConnection, partitions: int = 1, copies: int = 1) -> None:
        self.connection = connection
        self.prefix = f"t{os.getpid()}.{next(_number)}."
        self.appender = KafkaAppender(connection)
        self._subscriptions: list[KafkaSubscription] = []
        self.create(dict.fromkeys((REPORT, RESULT, DEAD), partitions), copies)

    def create(self, partitions: dict[str, int], copies: int = 1) -> None:
        admin = KafkaAdminClient(**self.connection.client("test"))
        options = {self.prefix + name: {"num_partitions": n, "replication_factor": copies} for name, n in partitions.items()}
        admin.create_topics(options, wait_for_metadata=True)
        admin.close()

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        del lane, change, durable
        await self.appender.append([replace(record, topic=self.prefix + record.topic) for record in records])

    def subscription(self, group: str, *names: str, **options: float) -> KafkaSubscription:
        full = [self.prefix + name for name in names]
        self._subscriptions.append(KafkaSubscription(self.connection, self.prefix + group, full, **options))
        return self._subscriptions[-1]

    async def close(self) -> None:
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))
        await self.appender.close()


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for what must become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)
