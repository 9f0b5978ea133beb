"""What an Appender promises, on a real broker that is well. What it does when brokers are not: test_faults.py."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from ims.adapters.kafka import appender as under_test
from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection, connect_to
from ims.errors import Misconfigured, TooLarge, Unavailable
from ims.protocol.envelope import Record

from .logs import REPORT, RESULT, KafkaLog, records


@pytest.fixture
async def log(connection: KafkaConnection) -> AsyncIterator[KafkaLog]:
    made = KafkaLog(connection, 3)
    yield made
    await made.close()


def of(log: KafkaLog, *made: Record) -> list[Record]:
    """In the topics of the test."""
    return [replace(record, topic=log.prefix + record.topic) for record in made]


async def in_log(log: KafkaLog, name: str, count: int) -> Counter[str]:
    """Ids in a topic; waits for so many."""
    subscription = log.subscription("look", name)
    got: Counter[str] = Counter()
    async with asyncio.timeout(15):
        while got.total() < count:
            got.update(d.attributes["id"] for d in await subscription.fetch(500))
            await subscription.wait(0.1)
    await subscription.wait(0.3)
    got.update(d.attributes["id"] for d in await subscription.fetch(500))
    await subscription.close()
    return got


async def test_what_was_appended_is_there(log):
    made = [*records(50), *records(50, RESULT)]
    await log.appender.append(of(log, *made))
    assert await in_log(log, REPORT, 50) + await in_log(log, RESULT, 50) == Counter(record.id for record in made)


async def test_the_same_append_again_is_the_same_events_again(log):
    made = of(log, *records(5))
    await log.appender.append(made)
    await log.appender.append(made)
    assert await in_log(log, REPORT, 10) == Counter({record.id: 2 for record in made})


async def test_nothing_to_append_is_nothing(connection):
    appender = KafkaAppender(connection)
    await appender.append([])
    await appender.close()


async def test_a_record_that_is_too_large_is_named_and_the_others_can_go_on(log):
    good, bad = of(log, *records(2))
    large = replace(bad, data=bytes(MAX_RECORD_BYTES))
    with pytest.raises(TooLarge, match=rf"{bad.id}.* {MAX_RECORD_BYTES // 1000}\d\d\d"):
        await log.appender.append([good, large])
    await log.appender.append([good])
    assert (await in_log(log, REPORT, 1))[good.id] >= 1
    assert log.appender.healthy


async def test_a_record_that_the_topic_does_not_take_is_named_too(log):
    topic = log.prefix + REPORT
    admin = KafkaAdminClient(**log.connection.client("test"))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "5000"})])
    admin.close()
    small, bad = of(log, *records(2))
    large = replace(bad, data=bytes(9000))

    async def refused() -> bool:
        try:
            await log.appender.append([large])  # the broker learns of its new setting a moment later
        except TooLarge as exc:
            return bad.id in str(exc)
        return False

    async with asyncio.timeout(10):
        while not await refused():
            await asyncio.sleep(0.1)
    others = [of(log, record) for record in records(30, RESULT)]
    said = await asyncio.gather(log.appender.append([large]), *map(log.appender.append, [[small], *others]), return_exceptions=True)
    assert [type(exc) for exc in said] == [TooLarge] + [type(None)] * 31, "the library fails all of them for the one"


async def test_a_topic_that_is_not_there_is_misconfigured_and_the_loop_goes_on(log):
    """The library would block the event loop for a minute, and log 300 errors a second."""
    turns = 0

    async def beside() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    other = asyncio.create_task(beside())
    (record,) = records()
    missing = replace(record, topic=log.prefix + "NONE")
    with pytest.raises(Misconfigured, match="NONE"):
        await log.appender.append([missing])
    assert turns > 10
    with pytest.raises(Misconfigured, match="NONE"):
        await log.appender.append([missing])
    other.cancel()
    await log.appender.append(of(log, record))


async def test_a_topic_that_comes_later_is_found(log, monkeypatch):
    monkeypatch.setattr(under_test, "FORGET_S", 0.01)
    (record,) = records()
    late = replace(record, topic=log.prefix + "LATE")
    with pytest.raises(Misconfigured):
        await log.appender.append([late])
    log.create({"LATE": 1})
    await log.appender.append([late])


async def test_more_than_may_be_in_flight_waits_its_turn(log):
    appender = KafkaAppender(log.connection, in_flight_records=20)
    made = [of(log, *records(7)) for _ in range(30)]
    most = 0
    sending = [asyncio.create_task(appender.append(each)) for each in made]
    while not all(task.done() for task in sending):
        most = max(most, appender._producer.in_flight if appender._producer else 0)
        await asyncio.sleep(0.001)
    await asyncio.gather(*sending)
    assert most <= 20
    assert await in_log(log, REPORT, 210) == Counter(record.id for each in made for record in each)
    await appender.append(of(log, *records(50)))  # one that is larger than the limit goes alone
    await appender.close()


async def test_a_cancelled_append_leaves_the_appender_well(log):
    made = of(log, *records(100))
    sending = asyncio.create_task(log.appender.append(made))
    await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await log.appender.append(of(log, *records(1)))
    assert log.appender.healthy
    async with asyncio.timeout(10):
        while log.appender._producer.in_flight:
            await asyncio.sleep(0.01)


async def test_no_broker_is_unavailable_and_then_at_once(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        appender = KafkaAppender(connect_to(f"kafka://127.0.0.1:{taken.getsockname()[1]}"), deadline_s=1.0)
        monkeypatch.setattr(under_test, "REST_S", 60.0)
        with pytest.raises(Unavailable, match="in time"):
            await appender.append(records())
        assert not appender.healthy
        with pytest.raises(Unavailable, match="a moment ago"):
            await appender.append(records())
        await appender.close()


async def test_one_append_tries_again_after_a_rest(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        appender = KafkaAppender(connect_to(f"kafka://127.0.0.1:{taken.getsockname()[1]}"), deadline_s=0.5)
        monkeypatch.setattr(under_test, "REST_S", 0.01)
        with pytest.raises(Unavailable):
            await appender.append(records())
        await asyncio.sleep(0.05)
        said = await asyncio.gather(*(appender.append(records()) for _ in range(5)), return_exceptions=True)
        assert Counter(str(exc) for exc in said) == {"Kafka did not take records in time": 1, "Kafka did not take records a moment ago": 4}
        await appender.close()
