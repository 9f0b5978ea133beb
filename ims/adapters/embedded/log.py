"""The embedded log read as consumer groups read Kafka: a position per topic, commits of the lowest unfinished record."""

from __future__ import annotations

import asyncio
from bisect import insort

from sqlalchemy import Connection, bindparam, func, select, update

from ims.adapters.sql.changes import decode_attributes
from ims.adapters.sql.lane_store import LaneStore
from ims.adapters.sql.lane_tables import cursors, log
from ims.adapters.sql.statements import Statement, once
from ims.lanes import Lane
from ims.ports.log import Delivery

_position = Statement(
    select(cursors.c.seq).where(cursors.c.consumer_group == bindparam("group_is"), cursors.c.topic == bindparam("topic_is")),
    ["group_is", "topic_is"],
)
_new_cursor = once(cursors, ["consumer_group", "topic", "seq"])
_move_cursor = Statement(
    update(cursors)
    .where(cursors.c.consumer_group == bindparam("group_is"), cursors.c.topic == bindparam("topic_is"))
    .values(seq=bindparam("to")),
    ["to", "group_is", "topic_is"],
)
_behind = Statement(
    select(func.count()).select_from(log).where(log.c.topic == bindparam("topic_is"), log.c.seq > bindparam("after")), ["topic_is", "after"]
)


class _Progress:
    """What is fetched and what is finished of one topic."""

    def __init__(self) -> None:
        self.fetched = 0
        self.stored = 0
        self.open: list[int] = []  # sorted
        self.fresh = True  # whether something new may be there

    def low(self) -> int:
        """Everything up to here is finished."""
        return self.open[0] - 1 if self.open else self.fetched


class EmbeddedSubscription:
    """One consumer group on some topics of one lane file; the only reader of that group (the lane's dispatcher)."""

    def __init__(self, store: LaneStore, lane: Lane, group: str, topics: list[str]) -> None:
        self._store = store
        self._lane = lane
        self._group = group
        self._topics = {t: _Progress() for t in topics}
        self._bell = asyncio.Event()
        self._started = False

    def heard(self, topics: set[str]) -> None:
        """A bell rang for these topics."""
        for topic in topics:
            progress = self._topics.get(topic)
            if progress is not None:
                progress.fresh = True
                self._bell.set()

    async def _start(self) -> None:
        def job(conn: Connection) -> dict[str, int]:
            return {t: (_position.first(conn, self._group, t) or (0,))[0] for t in self._topics}

        for topic, seq in (await self._store.lanes[self._lane].read(job)).items():
            self._topics[topic].fetched = self._topics[topic].stored = seq
        self._started = True

    async def fetch(self, limit: int) -> list[Delivery]:
        if not self._started:
            await self._start()
        wanted = [(t, p.fetched) for t, p in self._topics.items() if p.fresh]
        if not wanted:
            return []
        for topic, _ in wanted:
            self._topics[topic].fresh = False

        def job(conn: Connection) -> list[tuple[str, list[tuple[int, str, bytes]]]]:
            found: list[tuple[str, list[tuple[int, str, bytes]]]] = []
            left = limit
            for topic, after in wanted:
                if left <= 0:
                    found.append((topic, []))
                    continue
                rows = _read(conn, topic, after, left)
                left -= len(rows)
                found.append((topic, rows))
            return found

        got: list[Delivery] = []
        for topic, rows in await self._store.lanes[self._lane].read(job, few=True):
            progress = self._topics[topic]
            if rows or len(got) >= limit:
                progress.fresh = True  # there may be more
            for seq, attributes, data in rows:
                insort(progress.open, seq)
                progress.fetched = max(progress.fetched, seq)
                got.append(Delivery(topic, 0, seq, decode_attributes(attributes), data))
        return got

    async def wait(self, timeout_s: float) -> None:
        if any(p.fresh for p in self._topics.values()):
            return
        try:
            async with asyncio.timeout(timeout_s):  # not wait_for: on 3.11 it may forget a cancellation
                await self._bell.wait()
        except TimeoutError:
            for progress in self._topics.values():  # a ring may have been lost
                progress.fresh = True
        self._bell.clear()

    def finish(self, delivery: Delivery) -> None:
        self._topics[delivery.topic].open.remove(delivery.offset)

    async def commit(self) -> None:
        moved = [(t, p.low(), p) for t, p in self._topics.items() if p.low() > p.stored]
        if not moved:
            return

        def job(conn: Connection) -> None:
            for topic, seq, _ in moved:
                if _move_cursor.run(conn, seq, self._group, topic) == 0:
                    _new_cursor.run(conn, self._group, topic, seq)

        await self._store.lanes[self._lane].write(job)
        for _, seq, progress in moved:
            progress.stored = seq

    async def close(self) -> None:
        await self.commit()

    async def lag(self) -> int:
        if not self._started:
            await self._start()
        positions = [(t, p.fetched, len(p.open)) for t, p in self._topics.items()]

        def job(conn: Connection) -> int:
            return sum((_behind.first(conn, t, after) or (0,))[0] + unfinished for t, after, unfinished in positions)

        return await self._store.lanes[self._lane].read(job)


_READ = (
    "SELECT l.seq, l.attributes, COALESCE(l.data, p.data) FROM log l "
    "LEFT JOIN payloads p ON l.data IS NULL AND p.birth = json_extract(l.attributes, '$.id') "
    "WHERE l.topic = ? AND l.seq > ? ORDER BY l.seq LIMIT ?"
)


def _read(conn: Connection, topic: str, after: int, most: int) -> list[tuple[int, str, bytes]]:
    return [(r[0], r[1], r[2]) for r in conn.exec_driver_sql(_READ, (topic, after, most))]
