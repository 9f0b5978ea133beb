"""Each log there is: embedded, and Kafka on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ims.adapters.kafka.connection import KafkaConnection, connect_to

from .logs import EmbeddedLog, KafkaLog, Log


@pytest.fixture
def connection(kafka) -> KafkaConnection:
    return connect_to(kafka.url)


@pytest.fixture(params=["embedded", "kafka"])
async def a_log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    made: Log = EmbeddedLog(tmp_path) if request.param == "embedded" else KafkaLog(request.getfixturevalue("connection"))
    yield made
    await made.close()


@pytest.fixture
async def kafka_log(connection: KafkaConnection) -> AsyncIterator[Callable[[int], KafkaLog]]:
    """Makes logs with so many partitions a topic."""
    made: list[KafkaLog] = []

    def make(partitions: int) -> KafkaLog:
        made.append(KafkaLog(connection, partitions))
        return made[-1]

    yield make
    for one in made:
        await one.close()
