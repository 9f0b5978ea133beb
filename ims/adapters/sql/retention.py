"""Forgetting: acceptance slices and, on a server, partitions are dropped; rows past their time are deleted a page at a time.

Rows of a birth event go by the day in its id, so no index on a time is kept for this. A day goes when all of it is past
its time: up to a day later than to the millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, delete, select

from ims.adapters.sql import partitions
from ims.adapters.sql.acceptance import Slices
from ims.adapters.sql.lane_store import LaneStore
from ims.adapters.sql.lane_tables import arrays, campaign_counts, dispatches, held, history, payloads
from ims.lanes import Lane
from ims.protocol.ids import day_of, first_of_day
from ims.rules.campaigns import RESERVED, RESERVED_MS

_PAGE = 2_000  # rows deleted in one transaction: other writers get their turn
_KEEP_CLOSED_MS = 2 * 86_400_000  # rows of invariants 2 and 3 outlive every send_by: 24 hours, and for ads of the night up to 11 more


class Aging(NamedTuple):
    """A table of another adapter in the lanes' databases, whose rows go so long after `column` (milliseconds)."""

    table: Table
    column: Column[int]
    keep_ms: int


class SqlRetention:
    """ims.ports.records.Retention. Two that run at once, or one that is run twice, drop what is there."""

    def __init__(self, store: LaneStore, also: Sequence[Aging] = ()) -> None:
        self._store = store
        self._also = also

    async def drop_page(self, lane: Lane, now: int, keep_from: int) -> int:
        slices = self._store.slices[lane]

        def job(conn: Connection) -> int:
            gone = drop_page(conn, slices, lane, now, keep_from)
            for table, column, keep_ms in self._also:
                key = next(iter(table.primary_key.columns))
                # keys first: MySQL takes no LIMIT inside IN
                old = [row[0] for row in conn.execute(select(key).where(column < now - keep_ms).limit(_PAGE))]
                gone += conn.execute(delete(table).where(key.in_(old), column < now - keep_ms)).rowcount if old else 0
            return gone

        return await self._store.lanes[lane].write(job)


def drop_page(conn: Connection, slices: Slices, lane: Lane, now: int, keep_from: int) -> int:
    """What the store itself keeps; how much went."""
    closed = day_of(min(keep_from, now - _KEEP_CLOSED_MS))
    first = {dispatches: closed, payloads: closed, history: day_of(keep_from)}
    waits = conn.execute(select(held.c.id).where(held.c.reason == RESERVED).limit(1)).first() is not None
    kept = min(closed, day_of(now - RESERVED_MS)) if waits else closed  # a reservation is found, and cancelled, by its id
    gone = slices.drop_before(conn, kept)
    gone += conn.execute(delete(campaign_counts).where(campaign_counts.c.at < keep_from)).rowcount
    if conn.dialect.name == "mysql":
        partitions.cut_ahead(conn, lane, day_of(now))
        gone += partitions.drop_before(conn, {table.name: day for table, day in first.items()})
    else:
        gone += sum(_delete_before(conn, table, first_of_day(lane, day)) for table, day in first.items())
    return gone + _delete_arrays(conn, keep_from)


def _delete_before(conn: Connection, table: Table, birth: str) -> int:
    old = select(table.c.birth).where(table.c.birth < birth).order_by(table.c.birth).limit(_PAGE)
    return conn.execute(delete(table).where(table.c.birth.in_(old))).rowcount


def _delete_arrays(conn: Connection, before: int) -> int:
    """Arrays are numbered as they are formed: when the oldest page holds none that is past its time, none is."""
    oldest = select(arrays.c.seq, arrays.c.created_at).order_by(arrays.c.seq).limit(_PAGE)
    old = [seq for seq, created_at in conn.execute(oldest) if created_at < before]
    return conn.execute(delete(arrays).where(arrays.c.seq.in_(old))).rowcount if old else 0
