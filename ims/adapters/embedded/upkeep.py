"""What keeps lane files small: the write-ahead log folded back, handled events trimmed."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.sql.lane_tables import cursors, dispatches, held, log
from ims.lanes import Lane
from ims.ports.clock import Clock

_PAGE = 2_000  # rows deleted in one transaction: other writers get their turn


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
