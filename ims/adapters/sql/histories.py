"""A service key's counters and history rows, read lane by lane.

No index leads from a service key to its rows: it would cost every message a write, for a list that is rarely asked for. Ids of
births sort by time, so a period is a range of the primary key, and a page looks at so many rows of it at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ims.adapters.sql.database import Database
from ims.adapters.sql.lane_tables import daily, history
from ims.lanes import Lane
from ims.ports.histories import Counted, Page, Place, Wanted
from ims.protocol.ids import births_from, lane_of

LOOKED_AT = 20_000  # rows of everybody's that one page passes over in a lane at most
_LATE_MS = 120_000  # by which a birth may have been made after its message was received
_H = history.c


class SqlHistories:
    """ims.ports.histories.Histories."""

    def __init__(self, lanes: Mapping[Lane, Database], looked_at: int = LOOKED_AT) -> None:
        self._lanes = lanes
        self._looked_at = looked_at

    async def counted(self, service_key: str, first: str, last: str) -> list[Counted]:
        d, sums = daily.c, Counter[tuple[str, str]]()
        mine = and_(d.day >= first, d.day <= last, d.service_key == service_key)
        query = select(d.report_type, d.result, func.sum(d.count)).where(mine).group_by(d.report_type, d.result)
        for database in self._lanes.values():
            for kind, result, count in await database.read(lambda conn: [tuple(row) for row in conn.execute(query)]):
                sums[kind, result] += int(count)
        return [Counted(*key, count) for key, count in sorted(sums.items()) if count]

    async def at(self, service_key: str, place: Place) -> dict[str, Any] | None:
        query = select(history).where(_H.birth == place.birth, _H.pos == place.pos, _H.service_key == service_key)
        rows = await self._lanes[lane_of(place.birth)].read(lambda conn: _rows(conn, query), few=True)
        return rows[0] if rows else None

    async def page(self, wanted: Wanted, after: Place | None, size: int) -> Page:
        lanes = list(self._lanes)
        if after is not None:
            lanes = lanes[lanes.index(lane_of(after.birth)) :]
        rows: list[dict[str, Any]] = []
        for lane in lanes:
            begin = births_from(lane, wanted.since), 0
            end = births_from(lane, wanted.until + _LATE_MS), 0
            if after is not None and lane_of(after.birth) is lane:
                end = min(end, after)
            some = size - len(rows)
            look = _by_recipient if wanted.recipient else self._by_period
            found, last = await self._lanes[lane].read(lambda conn, a=begin, z=end, n=some, look=look: look(conn, wanted, a, z, n))  # type: ignore[misc]
            rows += found
            if last is not None:
                return Page(rows, last)
        return Page(rows, None)

    def _by_period(
        self, conn: Connection, wanted: Wanted, begin: tuple[str, int], end: tuple[str, int], size: int
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Rows of a lane, and where to go on; none where it has no more."""
        inside = and_(_H.birth >= begin[0], _before(end))
        newest_first = (_H.birth.desc(), _H.pos.desc())
        walked = select(_H.birth, _H.pos).where(inside).order_by(*newest_first).offset(self._looked_at - 1).limit(1)
        floor = conn.execute(walked).first()
        if floor is not None:
            inside = and_(_H.birth >= floor.birth, or_(_H.birth > floor.birth, _H.pos >= floor.pos), _before(end))
        rows = _rows(conn, select(history).where(inside, *_filters(wanted)).order_by(*newest_first).limit(size))
        if len(rows) == size:
            return rows, Place(rows[-1]["birth"], rows[-1]["pos"])
        return rows, None if floor is None else Place(floor.birth, floor.pos)


def _by_recipient(
    conn: Connection, wanted: Wanted, begin: tuple[str, int], end: tuple[str, int], size: int
) -> tuple[list[dict[str, Any]], Place | None]:
    """By the recipient's index: a person has few rows."""
    inside = and_(_H.recipient_index == wanted.recipient, _H.birth >= begin[0], _before(end))
    query = select(history).where(inside, *_filters(wanted)).order_by(_H.birth.desc(), _H.pos.desc()).limit(size)
    rows = _rows(conn, query)
    return rows, Place(rows[-1]["birth"], rows[-1]["pos"]) if len(rows) == size else None


def _before(end: tuple[str, int]) -> ColumnElement[bool]:
    """In words that both databases answer by a range of the key."""
    return and_(_H.birth <= end[0], or_(_H.birth < end[0], _H.pos < end[1]))


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    named = {
        _H.report_type: wanted.report_type,
        _H.result: wanted.result,
        _H.report_code: wanted.report_code,
        _H.bill_code: wanted.bill_code,
    }  # fmt: skip
    asked = [column == value for column, value in named.items() if value]
    period = [_H.received_at >= wanted.since, _H.received_at < wanted.until]
    return [_H.service_key == wanted.service_key, _H.channel.in_(wanted.channels), *period, *asked]


def _rows(conn: Connection, query: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in conn.execute(query)]
