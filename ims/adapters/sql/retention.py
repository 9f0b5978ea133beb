"""Forgetting: acceptance slices dropped, rows past their time deleted a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, delete, select

from ims.adapters.sql.lane_store import LaneStore
from ims.adapters.sql.lane_tables import arrays, dispatches, history, payloads
from ims.lanes import Lane
from ims.protocol.ids import day_of

_PAGE = 2_000  # rows deleted in one transaction: other writers get their turn
_KEEP_CLOSED_MS = 2 * 86_400_000  # rows of invariants 2 and 3 outlive every send_by (24 hours) by a day


class Aging(NamedTuple):
    """A table of another adapter in the lanes' databases, whose rows go so long after `column` (milliseconds)."""

    table: Table
    column: Column[int]
    keep_ms: int


class SqlRetention:
    """ims.ports.records.Retention."""

    def __init__(self, store: LaneStore, also: Sequence[Aging] = ()) -> None:
        self._store = store
        self._also = also

    async def drop_page(self, lane: Lane, now: int, keep_from: int) -> int:
        closed = min(keep_from, now - _KEEP_CLOSED_MS)
        ageing: list[tuple[Table, Column[int], int]] = [
            (dispatches, dispatches.c.received_at, closed),
            (payloads, payloads.c.received_at, closed),
            (arrays, arrays.c.created_at, keep_from),
            (history, history.c.received_at, keep_from),
            *((a.table, a.column, now - a.keep_ms) for a in self._also),
        ]

        def job(conn: Connection) -> int:
            gone = self._store.slices[lane].drop_before(conn, day_of(closed))
            for table, column, before in ageing:
                key = next(iter(table.primary_key.columns))
                old = select(key).where(column < before).limit(_PAGE)
                gone += conn.execute(delete(table).where(key.in_(old), column < before)).rowcount
            return gone

        return await self._store.lanes[lane].write(job)
