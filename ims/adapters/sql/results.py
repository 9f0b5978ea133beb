"""Result arrays in SQL: callbacks, polling with a lease, replay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, literal_column, select, update

from ims.adapters.sql.lane_tables import arrays
from ims.adapters.sql.statements import Statement, padded, places
from ims.ports.records import StoredArray
from ims.ports.results import Endpoint

PAGE = 200
_COLUMNS = (
    arrays.c.id,
    arrays.c.service_key,
    arrays.c.endpoint,
    arrays.c.count,
    arrays.c.created_at,
    arrays.c.body,
    arrays.c.key_id,
    arrays.c.calls,
    arrays.c.due_at,
    arrays.c.acked,
)


@cache
def _known(size: int) -> Statement:
    names, values = places(size)
    return Statement(select(arrays.c.id).where(arrays.c.id.in_(values)), names)


_due = Statement(
    select(arrays.c.endpoint_key, func.count())
    .where(arrays.c.due_at > literal_column("0"), arrays.c.due_at <= bindparam("now"), arrays.c.claimed_until <= bindparam("at"))
    .group_by(arrays.c.endpoint_key),
    ["now", "at"],
)
_mark = update(arrays).where(arrays.c.id == bindparam("id_is"))
_later: dict[str, Any] = {"calls": bindparam("calls"), "due_at": bindparam("due"), "claimed_until": literal_column("0")}
_failed = Statement(_mark.values(_later), ["calls", "due", "id_is"])
_acknowledged = Statement(_mark.values({**_later, "acked": arrays.c.count, "done": literal_column("1")}), ["calls", "due", "id_is"])


def _stored(row: Any) -> StoredArray:
    return StoredArray(*row)


def known(conn: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that exist."""
    return {row[0] for size, wanted in padded(ids) for row in _known(size).all(conn, *wanted)}


def endpoints_due(conn: Connection, now: int) -> list[Endpoint]:
    """Endpoints with unclaimed due calls."""
    return [Endpoint(key, n) for key, n in _due.all(conn, now, now)]


def claim(conn: Connection, endpoint: str, now: int, until: int, limit: int) -> list[StoredArray]:
    """Claim up to `limit` due arrays of an endpoint. What another worker is claiming just now is passed over."""
    query = (
        select(*_COLUMNS)
        .where(arrays.c.endpoint_key == endpoint, arrays.c.due_at > 0, arrays.c.due_at <= now, arrays.c.claimed_until <= now)
        .order_by(arrays.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [_stored(r) for r in conn.execute(query)]
    if found:
        conn.execute(update(arrays).where(arrays.c.id.in_([a.id for a in found])).values(claimed_until=until))
    return found


def called(conn: Connection, array: str, *, acknowledged: bool, calls: int, due_at: int) -> None:
    """Mark a call's outcome."""
    (_acknowledged if acknowledged else _failed).run(conn, calls, due_at, array)


def release(conn: Connection, array: str, due_at: int) -> None:
    """Give back without a call."""
    conn.execute(update(arrays).where(arrays.c.id == array, arrays.c.due_at > 0).values(due_at=due_at, claimed_until=0))


def lease(conn: Connection, service_key: str, batch_id: str, now: int, until: int, limit: int) -> list[tuple[StoredArray, int]]:
    """Hand out unacknowledged results of a service key, in order: (array, how many from its first unacknowledged on)."""
    query = (
        select(*_COLUMNS)
        .where(arrays.c.service_key == service_key, arrays.c.done == 0, arrays.c.acked < arrays.c.count, arrays.c.lease_until <= now)
        .order_by(arrays.c.created_at, arrays.c.seq)
        .limit(limit)  # every array holds at least one result
        .with_for_update(skip_locked=True)
    )
    taken: list[tuple[StoredArray, int]] = []
    for array in map(_stored, conn.execute(query)):
        if limit <= 0:
            break
        n = min(limit, array.count - array.acked)
        limit -= n
        taken.append((array, n))
    whole = [array.id for array, n in taken if array.acked + n == array.count]
    cut = [(array.id, array.acked + n) for array, n in taken if array.acked + n < array.count]
    values = {"lease": batch_id, "lease_until": until}
    if whole:
        conn.execute(update(arrays).where(arrays.c.id.in_(whole)).values(lease_upto=arrays.c.count, **values))
    for id_, upto in cut:  # the last one at most
        conn.execute(update(arrays).where(arrays.c.id == id_).values(lease_upto=upto, **values))
    return taken


def acknowledge(conn: Connection, service_key: str, batch_id: str) -> int:
    """Acknowledge what was handed out under a lease, also a late one; wholly acknowledged arrays are not called any more."""
    acked = case((arrays.c.acked > arrays.c.lease_upto, arrays.c.acked), else_=arrays.c.lease_upto)
    mine = (arrays.c.service_key == service_key) & (arrays.c.lease == batch_id)
    # In this order: a server reads what it has just set.
    whole = acked >= arrays.c.count
    values = [
        (arrays.c.due_at, case((whole, literal_column("0")), else_=arrays.c.due_at)),
        (arrays.c.done, case((whole, literal_column("1")), else_=arrays.c.done)),
        (arrays.c.acked, acked),
        (arrays.c.lease, ""),
        (arrays.c.lease_until, 0),
    ]
    return conn.execute(update(arrays).where(mine).ordered_values(*values)).rowcount


def replay(conn: Connection, service_key: str, from_ms: int, to_ms: int, now: int) -> int:
    """Make arrays formed in a period due and unacknowledged again; the number of results."""
    period = (arrays.c.service_key == service_key) & (arrays.c.created_at >= from_ms) & (arrays.c.created_at < to_ms)
    queued = conn.execute(select(func.coalesce(func.sum(arrays.c.count), 0)).where(period)).scalar_one()
    conn.execute(update(arrays).where(period).values(acked=0, done=0, calls=0, due_at=now, claimed_until=0, lease="", lease_until=0))
    return int(queued)
