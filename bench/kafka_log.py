"""What the Kafka log costs: records a second and CPU of our process, appending and reading; latency between them; an idle dispatcher.

Run: python -m bench.kafka_log kafka://127.0.0.1:9092   (a cluster that may get some topics of ours; they are deleted again)
Data are random bytes, as sealed events are. CPU is this process's alone, all threads; brokers run beside it on the same cores.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
import warnings
from collections.abc import Awaitable, Callable

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer
    from kafka.codec import has_lz4, has_zstd
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from ims.adapters.kafka import member
from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.connection import KafkaConnection, connect_to
from ims.adapters.kafka.subscription import KafkaSubscription
from ims.protocol.envelope import Record

_SMALL, _LARGE = 900, 40_000
_CALLERS = 16
_IDLE = 30
_IDLE_S = 20.0
_PARTITIONS = 6


def record(topic: str, number: int, size: int) -> Record:
    """Attributes as an envelope has them."""
    id_ = f"u{number:014d}x"
    attributes = {
        "specversion": "1.0",
        "id": id_,
        "source": "/ims/bench",
        "type": "ims.send.requested.v1",
        "subject": id_,
        "time": "2026-01-01T00:00:00.000Z",
        "datacontenttype": "application/octet-stream",
        "partitionkey": id_,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "imslane": "auth",
        "imschannel": "mt",
        "imstopic": topic,
        "imskey": "k1",
    }
    return Record(topic, attributes, os.urandom(size))


class Clock:
    """Wall and CPU between two moments."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def said(self, count: int) -> str:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return f"{count / wall:8.0f} records/s  {1e6 * cpu / count:6.0f} us CPU a record"

    def share(self) -> float:
        return 100 * (time.process_time() - self._cpu) / (time.perf_counter() - self._wall)


async def appending(connection: KafkaConnection, topic: str, size: int, at_once: int, seconds: float = 5, **options: object) -> None:
    """Callers side by side, each awaiting its append before the next."""
    appender = KafkaAppender(connection, **options)  # type: ignore[arg-type]
    made = [record(topic, n, size) for n in range(at_once)]
    await appender.append(made)
    count = 0
    waits: list[float] = []
    clock, end = Clock(), time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < end:
            began = time.perf_counter()
            await appender.append(made)
            waits.append(time.perf_counter() - began)
            count += at_once

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    words = " ".join(f"{name}={value}" for name, value in options.items()) or "as built"
    print(f"append {size:6} B x {at_once:2}  {clock.said(count)}  {_quantiles(waits)}  {words}", flush=True)
    await appender.close()


async def reading(connection: KafkaConnection, topic: str, size: int) -> None:
    """What the appending left there, from the beginning, finished and committed."""
    subscription = KafkaSubscription(connection, f"bench-{time.time()}", [topic])
    while not await subscription.fetch(1):
        await subscription.wait(1)
    count, clock, end = 0, Clock(), time.perf_counter() + 5
    while time.perf_counter() < end:
        got = await subscription.fetch(50)
        if not got:
            since = time.perf_counter()
            await subscription.wait(1)
            if time.perf_counter() - since > 0.9:
                break
        for delivery in got:
            subscription.finish(delivery)
        count += len(got)
    print(f"read   {size:6} B       {clock.said(count)}", flush=True)
    await subscription.close()


async def latency(connection: KafkaConnection, topic: str, rate: float, wait_s: float, seconds: float = 10) -> None:
    """From an append to the record in the reader's hand, through ours and through the library's own poll."""
    appender = KafkaAppender(connection)
    await appender.append([record(topic, 0, _SMALL)])
    for name, start in (("ours", _ours), ("poll", _library)):
        seen: dict[str, float] = {}
        stop = await start(connection, topic, wait_s, seen)
        sent: dict[str, float] = {}
        tasks = []
        for n in range(int(rate * seconds)):
            made = record(topic, int(time.time() * 1e6), _SMALL)
            sent[made.id] = time.perf_counter()
            tasks.append(asyncio.create_task(appender.append([made])))
            await asyncio.sleep(1 / rate if n % 10 else 2 / rate)
        await asyncio.gather(*tasks)
        await asyncio.sleep(wait_s + 1)
        await stop()
        took = [seen[id_] - at for id_, at in sent.items() if id_ in seen]
        print(
            f"append to read, {rate:4.0f}/s, fetch waits {wait_s} s  {name}  {_quantiles(took)}  ({len(took)} of {len(sent)})", flush=True
        )
    await appender.close()


async def _ours(connection: KafkaConnection, topic: str, wait_s: float, seen: dict[str, float]) -> Callable[[], Awaitable[None]]:
    member.FETCH_WAIT_S = wait_s
    subscription = KafkaSubscription(connection, f"bench-{time.time()}", [topic])

    async def read() -> None:
        while True:
            for delivery in await subscription.fetch(500):
                seen[delivery.attributes["id"]] = time.perf_counter()
                subscription.finish(delivery)
            await subscription.wait(1)

    task = asyncio.create_task(read())
    await _caught_up(seen)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await subscription.close()

    return stop


async def _library(connection: KafkaConnection, topic: str, wait_s: float, seen: dict[str, float]) -> Callable[[], Awaitable[None]]:
    ended = False

    def read() -> None:
        consumer = _consumer(connection, topic, f"bench-{time.time()}", wait_s)
        while not ended:
            for records in consumer.poll(1000, max_records=10_000).values():
                for one in records:
                    seen[dict(one.headers)["ce_id"].decode()] = time.perf_counter()
        consumer.close()

    running = asyncio.create_task(asyncio.to_thread(read))
    await _caught_up(seen)

    async def stop() -> None:
        nonlocal ended
        ended = True
        await running

    return stop


async def _caught_up(seen: dict[str, float]) -> None:
    """The topic's past is read."""
    before = -1
    while before != len(seen) or not seen:
        before = len(seen)
        await asyncio.sleep(1.5)


def _consumer(connection: KafkaConnection, topic: str, group: str, wait_s: float) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        **connection.client("bench"),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=int(wait_s * 1000),
        metrics_enabled=False,
        partition_assignment_strategy=[CooperativeStickyAssignor],
    )


async def idle(connection: KafkaConnection, topics: list[str], wait_s: float) -> None:
    """As many sources as a dispatcher of all lanes has, with nothing to do."""
    member.FETCH_WAIT_S = wait_s
    subscriptions = [KafkaSubscription(connection, f"bench-{time.time()}-{topic}", [topic]) for topic in topics]

    async def source(subscription: KafkaSubscription) -> None:
        while True:
            await subscription.fetch(50)
            await subscription.wait(1)

    tasks = [asyncio.create_task(source(subscription)) for subscription in subscriptions]
    await asyncio.sleep(6)
    clock = Clock()
    await asyncio.sleep(_IDLE_S)
    print(f"idle: {len(topics)} sources, fetch waits {wait_s} s: {clock.share():.1f} % of a core", flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(subscription.close() for subscription in subscriptions))


def _quantiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"ms p50 {1000 * cuts[49]:.1f} p99 {1000 * cuts[98]:.1f} max {1000 * max(seconds):.0f}"


async def main(url: str) -> None:
    connection = connect_to(url)
    admin = KafkaAdminClient(**connection.client("bench"))
    run = f"bench{int(time.time())}-"
    copies = min(3, len(admin.describe_cluster()["brokers"]))
    names = {run + name: _PARTITIONS for name in ("small", "large", "late")} | {f"{run}idle-{n}": 2 for n in range(_IDLE)}
    admin.create_topics({n: {"num_partitions": p, "replication_factor": copies} for n, p in names.items()}, wait_for_metadata=True)
    try:
        print(f"{copies} copies, {_CALLERS} callers", flush=True)
        for at_once in (1, 10):
            for linger_ms in (0, 2, 5):
                await appending(connection, run + "small", _SMALL, at_once, linger_ms=linger_ms)
        for compression in ("gzip", *(["lz4"] if has_lz4() else []), *(["zstd"] if has_zstd() else [])):
            await appending(connection, run + "small", _SMALL, 10, compression=compression)
        await appending(connection, run + "large", _LARGE, 1)
        await reading(connection, run + "small", _SMALL)
        await reading(connection, run + "large", _LARGE)
        for wait_s in (0.5, 5.0):
            for rate in (20.0, 200.0):
                await latency(connection, run + "late", rate, wait_s)
        for wait_s in (0.5, 5.0, 15.0):
            await idle(connection, [name for name in names if "idle" in name], wait_s)
    finally:
        admin.delete_topics(list(names))
        admin.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
