"""Leases and buckets in one SQLite file that is never synced: losing it costs waiting, nothing else."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, delete, insert, select

from ims.adapters.embedded.files import LaneFile
from ims.ports.clock import Clock

metadata = MetaData()
leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", Integer, nullable=False),
)
buckets = Table(
    "buckets",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Integer, nullable=False),
)
counters = Table(
    "counters",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("count", Integer, nullable=False),
)
breakers = Table(
    "breakers",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("until", Integer, nullable=False),
)


class EmbeddedShared:
    """ims.ports.shared.Shared."""

    def __init__(self, file: LaneFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    async def lease(self, name: str, owner: str, ttl_s: float) -> bool:
        def job(conn: Connection) -> bool:
            now = self._clock()  # under the file's lock: asked before, one who waited would take a newer lease for one of a later clock
            row = conn.execute(select(leases.c.owner, leases.c.until).where(leases.c.name == name)).first()
            if row is not None and row[0] != owner and now < row[1] <= now + int(ttl_s * 1000):  # later: the clock was set back
                return False
            conn.execute(delete(leases).where(leases.c.name == name))
            conn.execute(insert(leases).values(name=name, owner=owner, until=now + int(ttl_s * 1000)))
            return True

        return await self._file.write(job)

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        def job(conn: Connection) -> int:
            now = self._clock()
            row = conn.execute(select(buckets.c.tokens, buckets.c.at).where(buckets.c.name == bucket)).first()
            tokens = float(burst) if row is None else min(float(burst), row[0] + max(0, now - row[1]) / 1000 * rate_per_s)
            part = max(0, min(want, int(tokens)))
            got = part if not whole else want if tokens >= min(want, burst) else 0
            conn.execute(delete(buckets).where(buckets.c.name == bucket))
            conn.execute(insert(buckets).values(name=bucket, tokens=tokens - got, at=now))
            return got

        return await self._file.write(job)

    async def spend(self, counter: str, day: str, want: int, cap: int) -> bool:
        def job(conn: Connection) -> bool:
            row = conn.execute(select(counters.c.day, counters.c.count).where(counters.c.name == counter)).first()
            spent = row[1] if row is not None and row[0] == day else 0
            if spent + want > cap:
                return False
            conn.execute(delete(counters).where(counters.c.name == counter))
            conn.execute(insert(counters).values(name=counter, day=day, count=spent + want))
            return True

        return await self._file.write(job)

    async def announce_breaker(self, name: str, until: int) -> None:
        def job(conn: Connection) -> None:
            conn.execute(delete(breakers).where(breakers.c.name == name))
            if until:
                conn.execute(insert(breakers).values(name=name, until=until))

        await self._file.write(job)

    async def open_breakers(self) -> dict[str, int]:
        now = self._clock()
        found = await self._file.read(lambda conn: conn.execute(select(breakers.c.name, breakers.c.until)).all())
        if any(until <= now for _, until in found):
            await self._file.write(lambda conn: conn.execute(delete(breakers).where(breakers.c.until <= now)))
        return {name: until for name, until in found if until > now}

    async def close(self) -> None:
        self._file.close()
