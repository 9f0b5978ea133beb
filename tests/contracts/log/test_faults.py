"""Brokers that are killed, frozen and come back under what writes and reads: nothing acknowledged is lost, all goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ims.adapters.kafka import producer as library
from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.connection import KafkaConnection, connect_to
from ims.errors import Unavailable
from ims.ports.log import Appender, Subscription

from .logs import REPORT, KafkaLog, records, until

pytestmark = pytest.mark.system


@pytest.fixture
def cluster(kafka3) -> KafkaConnection:
    return connect_to(kafka3.url)


@pytest.fixture
async def log(cluster: KafkaConnection) -> AsyncIterator[KafkaLog]:
    made = KafkaLog(cluster, 6, copies=3)
    yield made
    await made.close()


class Traffic:
    """Appends without pause, counts what was acknowledged; reads beside it."""

    def __init__(self, log: KafkaLog, appender: Appender) -> None:
        self._log, self._appender = log, appender
        self.stored: set[str] = set()
        self.seen: set[str] = set()
        self.refused = 0
        self.away = 0
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._read(log.subscription("g", REPORT)))]

    async def _write(self) -> None:
        while True:
            made = [replace(record, topic=self._log.prefix + record.topic) for record in records(5)]
            try:
                await self._appender.append(made)
                self.stored |= {record.id for record in made}
            except Unavailable:
                self.refused += 1
            await asyncio.sleep(0.02)

    async def _read(self, subscription: Subscription) -> None:
        while True:
            try:
                got = await subscription.fetch(50)
                for delivery in got:
                    self.seen.add(delivery.attributes["id"])
                    subscription.finish(delivery)
                await subscription.commit()
            except Unavailable:
                self.away += 1
                got = []
            if not got:
                await subscription.wait(0.1)

    async def more(self, seconds: float = 60) -> None:
        """Until something that is appended from now on has been acknowledged and read."""
        before = set(self.stored)
        await until(lambda: (self.stored - before) & self.seen, seconds)

    async def end(self) -> None:
        self._tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[0]
        await until(lambda: self.stored <= self.seen, 60)
        self._tasks[1].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[1]


async def test_a_broker_that_is_killed_is_ridden_out(kafka3, log):
    appender = KafkaAppender(log.connection, deadline_s=30)
    traffic = Traffic(log, appender)
    await traffic.more()
    kafka3.kill("kafka-2")
    await traffic.more()
    await asyncio.to_thread(kafka3.start, "kafka-2")
    await traffic.more()
    await traffic.end()
    assert traffic.refused == 0, "within the deadline"
    await appender.close()


async def test_two_of_three_killed_writes_stop_and_come_back(kafka3, log):
    appender = KafkaAppender(log.connection, deadline_s=2)
    traffic = Traffic(log, appender)
    await traffic.more()
    kafka3.kill("kafka-2", "kafka-3")
    await until(lambda: traffic.refused > 5, 30)
    assert not appender.healthy
    await asyncio.to_thread(kafka3.start, "kafka-2", "kafka-3")
    await traffic.more(90)
    await until(lambda: appender.healthy)
    await traffic.end()
    await appender.close()


async def test_frozen_for_longer_than_the_library_delivers_a_new_producer_takes_over(kafka3, log, monkeypatch):
    """The library's own producer hangs for good after this: services of ours would, too."""
    monkeypatch.setattr(library, "DELIVERY_TIMEOUT_S", 5)
    appender = KafkaAppender(log.connection, deadline_s=2)
    traffic = Traffic(log, appender)
    await traffic.more()
    old = appender._producer
    began = time.monotonic()
    kafka3.pause()
    await until(lambda: traffic.refused > 0 and time.monotonic() - began > 9, 60)
    await until(lambda: traffic.away > 0, 60)
    kafka3.resume()
    await traffic.more(90)
    assert appender._producer is not old
    await traffic.end()
    await appender.close()
    await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("ims-kafka")], 30)


async def test_all_killed_within_the_deadline_the_append_waits_for_them(kafka3, log):
    appender = KafkaAppender(log.connection, deadline_s=60)
    made = [replace(record, topic=log.prefix + record.topic) for record in records(3)]
    await appender.append(made)
    kafka3.kill()
    waiting = asyncio.create_task(appender.append(made))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await asyncio.to_thread(kafka3.start)
    await waiting
    await appender.close()


async def test_a_member_that_is_killed_hands_over(kafka3, log, tmp_path):
    """kill -9 of a process that is in the group: its session ends, another takes its partitions from the lowest unfinished."""
    seen = tmp_path / "seen"
    code = (
        "import asyncio, sys\n"
        "from ims.adapters.kafka.connection import connect_to\n"
        "from ims.adapters.kafka.subscription import KafkaSubscription\n"
        "async def main():\n"
        "    s = KafkaSubscription(connect_to(sys.argv[1]), sys.argv[2], [sys.argv[3]], session_s=6)\n"
        "    while True:\n"
        "        for d in await s.fetch(50):\n"
        "            open(sys.argv[4], 'a').write(d.attributes['id'] + '\\n')\n"
        "        await s.wait(0.1)\n"
        "asyncio.run(main())\n"
    )
    topic = log.prefix + REPORT
    made = [replace(record, topic=topic) for record in records(30)]
    await log.appender.append(made)
    child = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-c", code, kafka3.url, log.prefix + "k", topic, str(seen))
    await until(lambda: seen.exists() and len(seen.read_text().split()) == 30, 30)
    child.kill()
    await child.wait()
    after = log.subscription("k", REPORT, session_s=6)
    got: set[str] = set()
    async with asyncio.timeout(60):
        while got != {record.id for record in made}:
            with contextlib.suppress(Unavailable):
                got |= {d.attributes["id"] for d in await after.fetch(50)}
            await after.wait(0.1)
