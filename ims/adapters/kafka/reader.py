"""Kafka as one process that dispatches it has it: a consumer for each source of its lanes, shared with other members of the group."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from ims import topics
from ims.adapters.kafka.connection import KafkaConnection
from ims.adapters.kafka.subscription import KafkaSubscription
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.log import Subscription
from ims.topics import SourceOf

_LAG_S = 30.0


class KafkaReader:
    """ims.ports.log.Reader. Any number of processes may read a lane: the group shares its partitions out."""

    def __init__(self, connection: KafkaConnection, client_id: str) -> None:
        self._connection = connection
        self._client_id = client_id

    async def take(self, lanes: Collection[Lane], stages: Collection[str], wait_s: float) -> None:
        """Nothing to wait for."""

    def subscribe(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, Subscription]]:
        """Topics without a lane are read beside the mass lane, so that reserved lanes do nothing for them."""
        return [
            (source, KafkaSubscription(self._connection, source.group, source.topics, client_id=f"ims-{self._client_id}"))
            for source in self._sources(lanes, stages)
        ]

    async def lags(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, int]]:
        return await asyncio.wait_for(asyncio.to_thread(self._lags, self._sources(lanes, stages)), _LAG_S)

    def _sources(self, lanes: Collection[Lane], stages: Collection[str]) -> list[SourceOf]:
        mine = {*lanes, *([None] if Lane.MASS in lanes else [])}
        return [source for source in topics.sources() if source.stage in stages and source.lane in mine]

    def _lags(self, sources: Collection[SourceOf]) -> list[tuple[SourceOf, int]]:
        """Written from the beginning where a group has stored nothing yet, as its members would read it."""
        try:
            admin = KafkaAdminClient(**self._connection.client("ims-lag"), request_timeout_ms=5_000)
        except KafkaError as exc:
            raise Unavailable("Kafka does not answer") from exc
        try:
            name = self._connection.named
            names = {name(topic) for source in sources for topic in source.topics}
            there = admin.describe_topics(list(names))
            partitions = [TopicPartition(topic["name"], p["partition_index"]) for topic in there for p in topic["partitions"]]
            ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
            begins = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
            stored = admin.list_group_offsets({name(source.group): None for source in sources})
        except KafkaError as exc:
            raise Unavailable("Kafka does not answer") from exc
        finally:
            admin.close()
        out = []
        for source in sources:
            group = stored[name(source.group)]
            own = [p for p in partitions if self._connection.ours(p.topic) in source.topics]
            out.append((source, sum(_behind(group.get(p), begins[p].offset, ends[p].offset) for p in own)))
        return out

    def upkeep(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        """Brokers keep their own files small."""
        return []

    def release(self) -> None:
        """The group was left when the subscriptions were closed."""


def _behind(stored: OffsetAndMetadata | None, begin: int, end: int) -> int:
    return end - max(begin, stored.offset if stored else 0)
