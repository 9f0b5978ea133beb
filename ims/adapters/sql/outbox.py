"""Birth events that the log did not take: named here, whole in `payloads`, appended when the log is back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, delete, func, select

from ims.adapters.sql.changes import decode_attributes
from ims.adapters.sql.lane_tables import outbox, payloads
from ims.adapters.sql.statements import Statement, once, padded, places
from ims.protocol.envelope import Record

_put = once(outbox, ["birth", "at"])


@cache
def _gone(size: int) -> Statement:
    names, values = places(size)
    return Statement(delete(outbox).where(outbox.c.birth.in_(values)), names)


def put(conn: Connection, births: Sequence[str], at: int) -> None:
    """These birth events wait for the log."""
    _put.many(conn, sorted((birth, at) for birth in births))


def page(conn: Connection, limit: int) -> list[Record]:
    """The oldest that wait."""
    waiting = (
        select(payloads.c.topic, payloads.c.attributes, payloads.c.data)
        .join(outbox, outbox.c.birth == payloads.c.birth)
        .order_by(outbox.c.at)
        .limit(limit)
    )
    return [Record(topic, decode_attributes(attributes), data) for topic, attributes, data in conn.execute(waiting)]


def gone(conn: Connection, births: Sequence[str]) -> None:
    """The log has these."""
    for size, ids in padded(sorted(births)):
        _gone(size).run(conn, *ids)


def waiting(conn: Connection) -> int:
    """How many wait."""
    return int(conn.execute(select(func.count()).select_from(outbox)).scalar_one())
