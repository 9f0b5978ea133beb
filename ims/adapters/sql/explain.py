"""What a lane's file knows about one message: reads for `ims why`, none of them on any message's way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, select

from ims.adapters.sql.lane_tables import arrays, held, history
from ims.ports.records import StoredArray

_NEWEST_ARRAYS = 200  # of a service key: where a replay by message_ids put its results
_ARRAY = [arrays.c[f.name] for f in fields(StoredArray)]


def history_row(conn: Connection, birth: str, pos: int) -> dict[str, Any] | None:
    """The history row, or none while the message is not settled."""
    row = conn.execute(select(history).where(history.c.birth == birth, history.c.pos == pos)).first()
    return None if row is None else dict(row._mapping)


def held_of(conn: Connection, birth: str) -> list[dict[str, Any]]:
    """Parked events of a birth."""
    query = select(held.c.id, held.c.topic, held.c.since, held.c.due_at, held.c.reason).where(held.c.birth == birth).order_by(held.c.since)
    return [dict(row._mapping) for row in conn.execute(query)]


def arrays_of(conn: Connection, service_key: str, ids: Collection[str], since: int) -> list[StoredArray]:
    """Result arrays that may hold a message: those with the given ids, and the service key's newest."""
    named = conn.execute(select(*_ARRAY).where(arrays.c.id.in_(ids)))
    newest = conn.execute(
        select(*_ARRAY)
        .where(arrays.c.service_key == service_key, arrays.c.created_at >= since)
        .order_by(arrays.c.created_at.desc())
        .limit(_NEWEST_ARRAYS)
    )
    found = {row.id: StoredArray(*row) for row in (*named, *newest)}
    return sorted(found.values(), key=lambda a: a.created_at)
