"""What keeps lane files small: the write-ahead log folded back, handled events trimmed, old slices dropped."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.traces import statistics_table, traces_table
from ims.adapters.sql.lane_tables import arrays, cursors, dispatches, held, history, log, payloads
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.protocol.ids import day_of

_PAGE = 2_000  # rows deleted in one transaction: other writers get their turn
_KEEP_CLOSED_MS = 2 * 86_400_000  # rows of invariants 2 and 3 outlive every send_by (24 hours) by a day
_KEEP_STATISTICS_MS = 15 * 86_400_000  # `ims stages` looks back two weeks


async def trim_log(store: EmbeddedStore, lane: Lane, clock: Clock, retention_ms: int, groups: dict[str, list[str]]) -> int:
    """Delete log records that every group has finished, older than the retention and than any open message."""
    now = clock()
    readers: dict[str, list[str]] = {}
    for group, topics in groups.items():
        for topic in topics:
            readers.setdefault(topic, []).append(group)

    def job(conn: Connection) -> int:
        open_since = conn.execute(select(func.min(dispatches.c.received_at)).where(dispatches.c.due_at > 0)).scalar()
        held_since = conn.execute(select(func.min(held.c.since))).scalar()
        before = min(t for t in (now - retention_ms, open_since, held_since) if t is not None)
        positions = {(g, t): s for g, t, s in conn.execute(select(cursors.c.consumer_group, cursors.c.topic, cursors.c.seq))}
        removed = 0
        for topic, names in readers.items():
            low = min(positions.get((name, topic), 0) for name in names)
            old = select(log.c.seq).where(log.c.topic == topic, log.c.seq <= low, log.c.at < before).order_by(log.c.seq).limit(_PAGE)
            removed += conn.execute(delete(log).where(log.c.seq.in_(old))).rowcount
        return removed

    return await store.files[lane].write(job)


class EmbeddedRetention:
    """ims.ports.records.Retention."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    async def drop_page(self, lane: Lane, now: int, keep_from: int) -> int:
        def job(conn: Connection) -> int:
            gone = self._store.slices[lane].drop_before(conn, day_of(min(keep_from, now - _KEEP_CLOSED_MS)))
            for table, column, before in (
                (dispatches, dispatches.c.received_at, min(keep_from, now - _KEEP_CLOSED_MS)),
                (payloads, payloads.c.received_at, min(keep_from, now - _KEEP_CLOSED_MS)),
                (arrays, arrays.c.created_at, keep_from),
                (traces_table, traces_table.c.at, now - _KEEP_CLOSED_MS),
                (statistics_table, statistics_table.c.hour, now - _KEEP_STATISTICS_MS),
                (history, history.c.received_at, keep_from),
            ):
                key = next(iter(table.primary_key.columns))
                old = select(key).where(column < before).limit(_PAGE)
                gone += conn.execute(delete(table).where(key.in_(old), column < before)).rowcount
            return gone

        return await self._store.files[lane].write(job)
