"""What the shared stores cost: draws by size, breaker rounds, a first look at acceptance, trace writes.

Run: python -m bench.shared_stores   (starts Redis, a cluster of six and a MongoDB server for itself; names of PARTS: some of it)
CPU is this process's alone; wall is one caller at a time, except where it says 16.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import random
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.shared import EmbeddedShared, metadata
from ims.adapters.embedded.store import create_lane
from ims.adapters.embedded.traces import EmbeddedTraces
from ims.adapters.mongo import MongoTraces
from ims.adapters.redis import RedisShared
from ims.adapters.redis.connection import RedisConnection, Script
from ims.adapters.sql import acceptance
from ims.adapters.sql.database import Database
from ims.lanes import Lane
from ims.ports.clock import system_clock
from ims.ports.records import Reservation
from ims.ports.shared import Shared
from ims.ports.traces import Traces
from ims.protocol.events import Trace
from infra import mongo, redis
from infra.place import Place, temporary_place
from infra.service import Service

ROUNDS = 3
FAST = 1e9  # a rate that never makes anybody wait


async def measured(call: Callable[[], Awaitable[object]], times: int, side_by_side: int = 1) -> tuple[float, float]:
    """Microseconds of a call, CPU of this process and wall; the best round."""

    async def some(n: int) -> None:
        for _ in range(n):
            await call()

    await some(20)
    best: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(some(times // side_by_side) for _ in range(side_by_side)))
        best.append(((time.process_time() - cpu) / times * 1e6, (time.perf_counter() - wall) / times * 1e6))
    return min(b[0] for b in best), min(b[1] for b in best)


def say(what: str, which: str, cost: tuple[float, float], per: int = 1, unit: str = "call") -> None:
    cpu, wall = cost
    each = f"  {cpu / per:7.1f} us CPU a {unit}, {per / wall * 1e6:9.0f} {unit}s/s" if per > 1 else f"  {1e6 / wall:9.0f} /s"
    print(f"{what:26} {which:14} {cpu:8.0f} us CPU {wall:8.0f} us wall{each}", flush=True)


async def draws(name: str, shared: Shared) -> None:
    for want in (1, 10, 50, 200):
        say(f"draw of {want}", name, await measured(lambda want=want: shared.draw("b", want, FAST, 10_000), 1500), want, "token")
    say("draw of 1, 16 callers", name, await measured(lambda: shared.draw("b", 1, FAST, 10_000), 3200, 16))
    say("lease kept", name, await measured(lambda: shared.lease("l", "me", 30), 1000))
    await shared.announce_breaker("a", 2**43)
    say("open breakers asked for", name, await measured(shared.open_breakers, 1000))


async def looks(name: str, url: str) -> None:
    """What a first look would cost every message: ids asked for in one call of one slot."""
    connection = RedisConnection(url)
    for count in (1, 200):
        keys = [f"{{a}}{secrets.token_hex(8)}" for _ in range(count)]
        script = Script(f"local r = {{}} for i = 1, {count} do r[i] = redis.call('GET', KEYS[1] .. ARGV[i]) end return #r")
        say(f"first look at {count}", name, await measured(lambda k=keys, s=script: connection.run(s, "{a}", *k), 1000), count, "id")
    await connection.close()


class _Seen(Exception):
    pass


async def replays(name: str, database: Database) -> None:
    """What the look would spare: the transaction that finds the ids there already, and what it costs to write new ones."""
    now = system_clock()()
    slices = acceptance.Slices()
    await database.write(lambda conn: slices.create(conn, acceptance.days_of(now)), durable=True)

    def reservations(count: int) -> list[Reservation]:
        return [Reservation(secrets.token_bytes(16), b"12345678", "m000" + secrets.token_hex(6), i, now) for i in range(count)]

    async def reserve(rows: list[Reservation], *, expected: bool) -> None:
        def job(conn: object) -> None:
            if acceptance.reserve(conn, rows, now, accepted=True):  # type: ignore[arg-type]
                raise _Seen

        with contextlib.suppress(_Seen):
            await database.write(job, durable=True)
            assert not expected

    for count in (1, 200):
        seen = reservations(count)
        await reserve(seen, expected=False)
        again = [r._replace(birth="m000" + secrets.token_hex(6)) for r in seen]
        say(f"replay of {count}", name, await measured(lambda a=again: reserve(a, expected=True), 300), count, "id")
        say(f"new ids, {count}", name, await measured(lambda c=count: reserve(reservations(c), expected=False), 300), count, "id")


async def trace_writes(name: str, traces: Traces) -> None:
    chance = random.Random(1)
    stages = ("route", "send_mt", "report", "callback", "store")

    def one() -> Trace:
        return Trace(
            stage=chance.choice(stages),
            event_id=f"{chance.getrandbits(130):026x}"[:26],
            event_type="ims.message.accepted.v1",
            birth=f"{chance.getrandbits(100):026x}"[:26],
            trace_id=f"{chance.getrandbits(128):032x}",
            at=system_clock()(),
            took_us=chance.randrange(100, 50_000),
            rows=100,
            outcome="done",
        )

    for size in (5, 50, 200):
        parts = iter([[one() for _ in range(size)] for _ in range(20 + ROUNDS * 60)])
        say(f"event of {size} traces", name, await measured(lambda p=parts: traces.write(Lane.MASS, next(p)), 60), size, "trace")


@contextmanager
def running(make: Callable[[Place], Service], home: Path) -> Iterator[Service]:
    place = temporary_place(home)
    service = make(place)
    service.build()
    service.start(place, bound=True)
    try:
        yield service
    finally:
        service.stop()


@asynccontextmanager
async def _closing(thing: Shared | Traces) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await thing.close()


async def main(chosen: list[str]) -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, us are the best of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for part in chosen or PARTS:
            await PARTS[part](home)


async def _embedded(home: Path) -> None:
    shared = EmbeddedShared(LaneFile(home / "shared.db", metadata.create_all), system_clock())
    async with _closing(shared):
        await draws("embedded", shared)


async def _redis(home: Path) -> None:
    for name, make in (("redis", redis.single), ("redis cluster", redis.cluster)):
        with running(make, home / name.replace(" ", "-")) as service:
            url = next(iter(service.settings().values()))
            shared = RedisShared(url, system_clock())
            async with _closing(shared):
                await draws(name, shared)
            await looks(name, url)


async def _lane_file(home: Path) -> None:
    lane = LaneFile(home / "mass.db", create_lane)
    await replays("lane file", lane)
    await trace_writes("lane file", EmbeddedTraces({Lane.MASS: lane}))
    lane.close()


async def _mongodb(home: Path) -> None:
    with running(mongo.service, home / "mongo") as service:
        traces = MongoTraces(next(iter(service.settings().values())))
        async with _closing(traces):
            await trace_writes("mongodb", traces)


PARTS = {"embedded": _embedded, "redis": _redis, "lane-file": _lane_file, "mongodb": _mongodb}

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
