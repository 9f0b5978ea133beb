"""The dispatcher over each log, line by line as the real KafkaSource dispatcher was seen to behave.

Deliberate differences, all of them towards losing nothing or sending nothing twice: a dead letter that cannot be written is tried for
ever (there it is committed and lost); a sink that is not there yet, or whose store is away, makes no dead letter; a delay of 0 or a header
that HTTP cannot carry does not wedge a source; the sink is ours, so a 303 is not followed; a commit every second, not every five, and the
last one is not lost at the end; a rebalance moves only the partitions that must move. Plain Kafka headers are dropped, `traceparent` among
them: ours travels as an attribute.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter

import pytest

from ims.adapters.embedded.upkeep import trim_log
from ims.errors import Unavailable
from ims.ports.clock import system_clock
from ims.ports.records import Change
from ims.runtime.source import WINDOW, Answer, Delivering, Source, retried, wait_before

from .logs import DEAD, LANE, REPORT, RESULT, EmbeddedLog, Log, records, until


class Rig:
    """A log, and a source over it whose sink answers by a script."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.seen: list[dict[str, str]] = []
        self.answers: dict[str, list[int]] = {}
        self.open = 0
        self.most_open = 0
        self.latency_s = 0.0
        self.tasks: list[asyncio.Task[None]] = []
        self.sources: list[Source] = []

    async def append(self, n: int = 1, topic: str = REPORT) -> list[str]:
        made = records(n, topic)
        await self.log.commit(LANE, Change(), made)
        return [record.id for record in made]

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
        self.subscription = self.log.subscription("report", REPORT, RESULT)
        source = Source("report", LANE, subscription=self.subscription, sink=self.sink, journal=self.log, delivering=Delivering(**options))
        self.tasks.append(asyncio.create_task(source.run()))
        return source

    async def stop(self) -> None:
        """The end of a process that has no time left: nothing more is finished, what was committed is."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def dead(self, count: int) -> list[dict[str, str]]:
        """Letters; `count` are waited for."""
        subscription = self.log.subscription("t", DEAD)
        got: list[dict[str, str]] = []
        end = time.monotonic() + (10 if count else 0.3)
        while len(got) < max(count, 1) and time.monotonic() < end:
            got += [d.attributes for d in await subscription.fetch(1000)]
            await subscription.wait(0.1)
        await subscription.close()
        return got

    def attempts(self) -> Counter[str]:
        return Counter(h["ce-id"] for h in self.seen)


@pytest.fixture
async def log(a_log):
    made = Rig(a_log)
    yield made
    await made.stop()


@pytest.fixture
async def embedded(tmp_path):
    made = Rig(EmbeddedLog(tmp_path))
    yield made
    await made.stop()
    await made.log.close()


async def test_the_request(log):
    (id_,) = await log.append()
    log.start()
    await until(lambda: log.seen)
    (headers,) = log.seen
    assert headers["ce-id"] == headers["ce-partitionkey"] == id_
    assert headers["ce-knativekafkapartition"] == "0"
    assert int(headers["ce-knativekafkaoffset"]) >= 0
    assert headers["prefer"] == "reply"
    assert headers["ce-imstopic"] == REPORT
    assert all(v.isascii() and "\n" not in v for v in headers.values())


async def test_success_is_one_attempt(log):
    statuses = [200, 202, 204, 299]
    ids = await log.append(len(statuses))
    log.answers = {id_: [status] for id_, status in zip(ids, statuses, strict=True)}
    source = log.start()
    await until(lambda: len(log.seen) >= len(ids))
    await source.stop(1)
    assert log.attempts() == Counter(ids)
    assert await log.dead(0) == []


async def test_other_refusals_are_one_attempt_and_a_dead_letter(log):
    statuses = [301, 302, 303, 304, 307, 400, 401, 403, 405, 410, 413, 422]
    ids = await log.append(len(statuses))
    log.answers = {id_: [status] * 9 for id_, status in zip(ids, statuses, strict=True)}
    source = log.start()
    await until(lambda: len(log.seen) >= len(ids))
    await source.stop(2)
    letters = {letter["id"]: letter for letter in await log.dead(len(ids))}
    assert log.attempts() == Counter(ids)
    assert {id_: letter["knativeerrorcode"] for id_, letter in letters.items()} == {i: str(s) for i, s in zip(ids, statuses, strict=True)}
    for letter in letters.values():
        assert base64.b64decode(letter["knativeerrordata"]) == b"because"
        assert letter["knativeerrordest"] == "ims:report"
        assert letter["imstopic"] == REPORT


async def test_retried_statuses_are_four_attempts_and_a_dead_letter(log):
    statuses = [404, 408, 409, 429, 500, 501, 503, 504, 0]
    ids = await log.append(len(statuses))
    log.answers = {id_: [status] * 9 for id_, status in zip(ids, statuses, strict=True)}
    source = log.start()
    await until(lambda: all(log.attempts()[id_] == 4 for id_ in ids))
    await source.stop(2)
    letters = {letter["id"]: letter for letter in await log.dead(len(ids))}
    assert log.attempts() == Counter(ids * 4)
    codes = {id_: letter.get("knativeerrorcode") for id_, letter in letters.items()}
    assert codes == {i: str(s) if s else None for i, s in zip(ids, statuses, strict=True)}, "none after a time-out or a refused connection"


async def test_a_time_out_is_retried(log):
    (id_,) = await log.append()
    log.answers[id_] = [-1, 200]
    source = log.start(timeout_s=0.05)
    await until(lambda: log.attempts()[id_] == 2)
    await source.stop(1)
    assert await log.dead(0) == []


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
    await until(lambda: len(log.seen) >= WINDOW)
    good = await log.append(5, RESULT)
    await until(lambda: all(log.attempts()[i] == 1 for i in good))
    order = [h["ce-id"] for h in log.seen]
    before = order[: min(map(order.index, good))]
    assert len(before) > WINDOW, "waiting retries hold the window: one of them was through before anything else got in"
    assert set(before) == set(bad)
    assert log.most_open <= WINDOW


async def test_commits_reach_to_the_lowest_unfinished_record(log):
    ids = await log.append(10)
    log.answers[ids[3]] = [-1]
    source = log.start(timeout_s=30)
    await until(lambda: len(log.seen) == 10)
    await asyncio.sleep(0.05)
    await source.commit()
    await log.stop()
    await log.subscription.close()
    log.seen.clear()
    log.start()
    await until(lambda: len(log.seen) >= 7)
    assert set(log.attempts()) == set(ids[3:]), "what was finished before the stuck one does not come again"


async def test_nothing_is_lost_when_dead_letters_cannot_be_written(log, monkeypatch):
    (id_,) = await log.append()
    log.answers[id_] = [400]
    real, failures = log.log.commit, 3

    async def fails(*args, **kwargs):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise Unavailable("away")
        return await real(*args, **kwargs)

    monkeypatch.setattr(log.log, "commit", fails)
    monkeypatch.setattr("ims.runtime.source.asyncio.sleep", _quick)
    source = log.start()
    await until(lambda: failures < 0)
    await source.stop(2)
    assert [letter["id"] for letter in await log.dead(1)] == [id_]


_sleep = asyncio.sleep


async def _quick(seconds):
    await _sleep(min(seconds, 0.01))


async def test_a_waiting_source_is_woken_by_an_event(log):
    log.start()
    await log.subscription.wait(0.5)
    (id_,) = await log.append()
    await until(lambda: log.attempts()[id_] == 1)


async def test_a_source_that_ends_lets_what_is_open_finish_and_stores_it(log):
    ids = await log.append(5)
    log.latency_s = 0.3
    source = log.start()
    await until(lambda: len(log.seen) == 5)
    await source.stop(5)
    await log.subscription.close()
    log.seen.clear()
    log.start()
    (later,) = await log.append()
    await until(lambda: log.seen)
    assert [h["ce-id"] for h in log.seen] == [later], f"{len(ids)} were finished and stored"


async def test_what_every_group_has_finished_is_trimmed(embedded):
    ids = await embedded.append(20)
    groups = {"report": [REPORT]}
    clock, store = system_clock(), embedded.log.store
    subscription = embedded.log.subscription("report", REPORT)
    got = await subscription.fetch(100)
    assert len(got) == len(ids)
    assert await trim_log(store, LANE, clock, -1000, groups) == 0, "nobody has finished anything"
    for d in got[:15]:
        subscription.finish(d)
    await subscription.commit()
    assert await trim_log(store, LANE, clock, 3_600_000, groups) == 0, "too young"
    assert await trim_log(store, LANE, clock, -1000, groups) == 15
    again = embedded.log.subscription("report", REPORT)
    assert [d.attributes["id"] for d in await again.fetch(100)] == ids[15:]
