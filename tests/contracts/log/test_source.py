"""The dispatcher over the embedded log, line by line as the real KafkaSource dispatcher was seen to behave."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter

import pytest

from ims import topics
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.upkeep import trim_log
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.clock import system_clock
from ims.ports.records import Change
from ims.protocol.envelope import Emit, Envelopes
from ims.protocol.events import DeliveryReported
from ims.protocol.ids import new_birth
from ims.protocol.sealing import Keyring, Sealer
from ims.runtime.source import WINDOW, Answer, Delivering, Source, retried, wait_before
from ims.runtime.stage import new_trace

LANE = Lane.REALTIME
TOPIC = topics.report(LANE)
RING = Keyring.generate()


class Log:
    """A store, and a source over it whose sink answers by a script."""

    def __init__(self, home):
        self.envelopes = Envelopes(Sealer(RING), "test")
        self.store = EmbeddedStore(home, self.envelopes, system_clock(), Bells(home))
        self.seen: list[dict[str, str]] = []
        self.answers: dict[str, list[int]] = {}
        self.open = 0
        self.most_open = 0
        self.latency_s = 0.0
        self.tasks: list[asyncio.Task[None]] = []

    async def append(self, n: int = 1, topic: str = TOPIC) -> list[str]:
        ids = [new_birth(LANE, 0) for _ in range(n)]
        records = [
            self.envelopes.seal(Emit(topic, i, DeliveryReported(provider="t", reports=[]), i, LANE), new_trace(), 0) for i in ids
        ]
        await self.store.commit(LANE, Change(), records)
        return ids

    async def sink(self, headers, body):
        del body
        self.seen.append(headers)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self.open -= 1
        script = self.answers.get(headers["ce-id"], [])
        status = script.pop(0) if script else 200
        if status < 0:
            await asyncio.sleep(60)
        return Answer(status, b"because" if status != 200 else b"")

    def start(self, **delivering) -> Source:
        options = {"retry": 3, "delay_s": 0.002, "timeout_s": 5.0, **delivering}
        subscription = EmbeddedSubscription(self.store, LANE, "report", [TOPIC, topics.result(LANE)])
        source = Source("report", LANE, subscription=subscription, sink=self.sink, journal=self.store, delivering=Delivering(**options))
        self.tasks.append(asyncio.create_task(source.run()))
        return source

    async def until(self, condition, seconds=8.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            await asyncio.sleep(0.005)

    async def dead(self) -> list[dict[str, str]]:
        subscription = EmbeddedSubscription(self.store, LANE, "t", [topics.dead("report")])
        return [d.attributes for d in await subscription.fetch(1000)]

    def attempts(self) -> Counter[str]:
        return Counter(h["ce-id"] for h in self.seen)


@pytest.fixture
async def log(tmp_path):
    made = Log(tmp_path)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    made.store.close()


async def test_the_request(log):
    (id_,) = await log.append()
    log.start()
    await log.until(lambda: log.seen)
    (headers,) = log.seen
    assert headers["ce-id"] == headers["ce-partitionkey"] == id_
    assert headers["ce-knativekafkapartition"] == "0"
    assert int(headers["ce-knativekafkaoffset"]) >= 1
    assert headers["prefer"] == "reply"
    assert headers["ce-imstopic"] == TOPIC
    assert all(v.isascii() and "\n" not in v for v in headers.values())


@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_success_is_one_attempt(log, status):
    (id_,) = await log.append()
    log.answers[id_] = [status]
    source = log.start()
    await log.until(lambda: log.seen)
    await source.stop(1)
    assert log.attempts()[id_] == 1
    assert await log.dead() == []


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 405, 410, 413, 422])
async def test_other_refusals_are_one_attempt_and_a_dead_letter(log, status):
    (id_,) = await log.append()
    log.answers[id_] = [status] * 9
    source = log.start()
    await log.until(lambda: log.seen)
    await source.stop(2)
    (letter,) = await log.dead()
    assert log.attempts()[id_] == 1
    assert letter["id"] == id_
    assert letter["knativeerrorcode"] == str(status)
    assert base64.b64decode(letter["knativeerrordata"]) == b"because"
    assert letter["imstopic"] == TOPIC


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 501, 503, 504, 0])
async def test_retried_statuses_are_four_attempts_and_a_dead_letter(log, status):
    (id_,) = await log.append()
    log.answers[id_] = [status] * 9
    source = log.start()
    await log.until(lambda: log.attempts()[id_] == 4)
    await source.stop(2)
    (letter,) = await log.dead()
    assert log.attempts()[id_] == 4
    assert ("knativeerrorcode" in letter) is (status != 0), "no code after a time-out or a refused connection"


async def test_a_time_out_is_retried(log):
    (id_,) = await log.append()
    log.answers[id_] = [-1, 200]
    source = log.start(timeout_s=0.05)
    await log.until(lambda: log.attempts()[id_] == 2)
    await source.stop(1)
    assert await log.dead() == []


def test_waits_double_and_begin_at_twice_the_delay():
    assert [round(wait_before(k, 0.2), 3) for k in (2, 3, 4)] == [0.4, 0.8, 1.6]
    assert not retried(303 - 1)
    assert retried(429)


async def test_the_window_bounds_what_is_open_and_a_retry_keeps_its_place(log):
    bad = await log.append(WINDOW)
    for id_ in bad:
        log.answers[id_] = [503, 200]
    log.latency_s = 0.02
    log.start(delay_s=0.05)
    await log.until(lambda: len(log.seen) >= WINDOW)
    good = await log.append(5, topics.result(LANE))
    await asyncio.sleep(0.06)
    assert not [h for h in log.seen if h["ce-id"] in good], "waiting retries hold the window"
    await log.until(lambda: all(log.attempts()[i] == 1 for i in good))
    assert log.most_open <= WINDOW


async def test_commits_reach_to_the_lowest_unfinished_record(log):
    ids = await log.append(10)
    log.answers[ids[3]] = [-1]
    source = log.start(timeout_s=30)
    await log.until(lambda: len(log.seen) == 10)
    await asyncio.sleep(0.05)
    await source.commit()
    for task in log.tasks:
        task.cancel()
    await asyncio.gather(*log.tasks, return_exceptions=True)
    log.seen.clear()
    log.start()
    await log.until(lambda: len(log.seen) >= 7)
    assert set(log.attempts()) == set(ids[3:]), "what was finished before the stuck one does not come again"


async def test_nothing_is_lost_when_dead_letters_cannot_be_written(log, monkeypatch):
    (id_,) = await log.append()
    log.answers[id_] = [400]
    real, failures = log.store.commit, 3

    async def fails(*args, **kwargs):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise Unavailable("away")
        return await real(*args, **kwargs)

    monkeypatch.setattr(log.store, "commit", fails)
    monkeypatch.setattr("ims.runtime.source.asyncio.sleep", _quick)
    source = log.start()
    await log.until(lambda: failures < 0)
    await source.stop(2)
    assert [letter["id"] for letter in await log.dead()] == [id_]


_sleep = asyncio.sleep


async def _quick(seconds):
    await _sleep(min(seconds, 0.01))


async def test_two_groups_read_the_same_topic_each_for_itself(log):
    ids = await log.append(3, topics.result(LANE))
    for group in ("callback", "store"):
        subscription = EmbeddedSubscription(log.store, LANE, group, [topics.result(LANE)])
        got = await subscription.fetch(10)
        assert [d.attributes["id"] for d in got] == ids
        for d in got:
            subscription.finish(d)
        await subscription.commit()
        assert await subscription.lag() == 0


async def test_a_ring_wakes_a_waiting_source(log):
    source = log.start()
    log.store.bells.listen(LANE, source._subscription.heard)
    await asyncio.sleep(0.3)
    started = time.monotonic()
    (id_,) = await log.append()
    await log.until(lambda: log.attempts()[id_] == 1)
    assert time.monotonic() - started < 5


async def test_what_every_group_has_finished_is_trimmed(log):
    ids = await log.append(20)
    groups = {"report": [TOPIC]}
    clock = system_clock()
    subscription = EmbeddedSubscription(log.store, LANE, "report", [TOPIC])
    got = await subscription.fetch(100)
    assert len(got) == len(ids)
    assert await trim_log(log.store, LANE, clock, -1000, groups) == 0, "nobody has finished anything"
    for d in got[:15]:
        subscription.finish(d)
    await subscription.commit()
    assert await trim_log(log.store, LANE, clock, 3_600_000, groups) == 0, "too young"
    assert await trim_log(log.store, LANE, clock, -1000, groups) == 15
    again = EmbeddedSubscription(log.store, LANE, "report", [TOPIC])
    assert [d.attributes["id"] for d in await again.fetch(100)] == ids[15:]


