"""What workers look for: deadlines of dispatch rows, held events whose time has come."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, update

from ims.adapters.sql.changes import decode_attributes
from ims.adapters.sql.lane_tables import dispatches, held
from ims.adapters.sql.statements import Statement
from ims.protocol.envelope import Record

_rearm = Statement(
    update(dispatches)
    .where(dispatches.c.birth == bindparam("birth_is"), dispatches.c.attempt == bindparam("attempt_is"))
    .values(due_at=bindparam("again_at")),
    ["again_at", "birth_is", "attempt_is"],
)


def take_deadlines(conn: Connection, now: int, again_at: int, limit: int) -> list[tuple[str, int, int]]:
    """Rows that are due, moved on to `again_at`."""
    query = (
        select(dispatches.c.birth, dispatches.c.attempt, dispatches.c.due_at)
        .where(dispatches.c.due_at > 0, dispatches.c.due_at <= now)
        .order_by(dispatches.c.due_at)
        .limit(limit)
    )
    found = [(r[0], r[1], r[2]) for r in conn.execute(query)]
    _rearm.many(conn, [(again_at, birth, attempt) for birth, attempt, _ in found])
    return found


def take_held(conn: Connection, now: int, again_at: int, limit: int) -> list[Record]:
    """Events that are due, moved on to `again_at`."""
    query = select(held.c.topic, held.c.attributes, held.c.data, held.c.id).where(held.c.due_at <= now).order_by(held.c.due_at).limit(limit)
    rows = list(conn.execute(query))
    if rows:
        conn.execute(update(held).where(held.c.id.in_([r[3] for r in rows])).values(due_at=again_at))
    return [Record(r[0], decode_attributes(r[1]), r[2]) for r in rows]


def is_held(conn: Connection, birth: str) -> bool:
    """Whether an event of this birth is parked."""
    return conn.execute(select(held.c.id).where(held.c.birth == birth).limit(1)).first() is not None
