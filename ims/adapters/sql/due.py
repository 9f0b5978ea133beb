"""What workers look for: deadlines of dispatch rows, held events whose time has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, literal_column, or_, select, update

from ims.adapters.sql.changes import decode_attributes
from ims.adapters.sql.lane_tables import dispatches, held
from ims.adapters.sql.statements import Statement
from ims.ports.records import Parked, Taken
from ims.protocol.envelope import Record

WOKEN = "woken"  # the reason of an event whose campaign may go on
_CAMPAIGNS = 1_000  # looked at in one round; the others are looked at when these are through
_REARMED = 50  # rows in one statement
_OVER = 50  # events whose send_by has passed, in one page


_first_deadline = Statement(select(func.min(dispatches.c.due_at)).where(dispatches.c.due_at > literal_column("0")), [])


def any_deadline(conn: Connection, now: int) -> bool:
    """Whether a row is due."""
    return _passed(_first_deadline.first(conn), now)


def _passed(found: tuple[Any, ...] | None, now: int) -> bool:
    return found is not None and found[0] is not None and found[0] <= now


def take_deadlines(conn: Connection, now: int, again_at: int, limit: int) -> list[tuple[str, int, int]]:
    """Rows that are due, moved on to `again_at`. One that a worker or a writer has in hand is passed over; it is found again."""
    query = (
        select(dispatches.c.birth, dispatches.c.attempt, dispatches.c.due_at)
        .where(dispatches.c.due_at > 0, dispatches.c.due_at <= now)
        .order_by(dispatches.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [(r[0], r[1], r[2]) for r in conn.execute(query)]
    for start in range(0, len(found), _REARMED):
        same = [and_(dispatches.c.birth == b, dispatches.c.attempt == n) for b, n, _ in found[start : start + _REARMED]]
        conn.execute(update(dispatches).where(or_(*same)).values(due_at=again_at))
    return found


_first_held = Statement(select(func.min(held.c.due_at)).where(held.c.topic == bindparam("topic_is")), ["topic_is"])
_first_over = Statement(select(func.min(held.c.due_at)).where(held.c.send_by < bindparam("now")), ["now"])


_next_campaign = Statement(
    select(func.min(held.c.campaign)).where(held.c.reason == bindparam("reason_is"), held.c.campaign > bindparam("after")),
    ["reason_is", "after"],
)


def any_held(conn: Connection, now: int, topics: Iterable[str]) -> bool:
    """Whether an event is due that is of these topics, or whose send_by has passed."""
    return any(_passed(_first_held.first(conn, topic), now) for topic in topics) or _passed(_first_over.first(conn, now), now)


def take_held(conn: Connection, now: int, again_at: int, most: Mapping[str, int]) -> list[Taken]:
    """Events that are due, so many of each topic, and a page of those whose send_by has passed; moved on to `again_at`."""
    query = select(held.c.topic, held.c.attributes, held.c.data, held.c.id).with_for_update(skip_locked=True)
    rows = list(conn.execute(query.where(held.c.send_by < now, held.c.due_at <= now).limit(_OVER)))
    for topic, count in most.items():
        due = query.where(held.c.topic == topic, held.c.due_at <= now, held.c.send_by >= now)
        rows += conn.execute(due.order_by(held.c.due_at).limit(count))
    if rows:
        conn.execute(update(held).where(held.c.id.in_([r[3] for r in rows])).values(due_at=again_at))
    return [Taken(Record(r[0], decode_attributes(r[1]), r[2]), again_at) for r in rows]


def parked(conn: Connection, ids: Sequence[str]) -> dict[str, Parked]:
    """Those of these events that are parked."""
    return {
        row[0]: Parked(row[1], row[2]) for row in conn.execute(select(held.c.id, held.c.due_at, held.c.reason).where(held.c.id.in_(ids)))
    }


def waiting(conn: Connection, reason: str) -> list[str]:
    """The campaigns of events that wait for this reason; one after the other in the index, however many events each has."""
    found: list[str] = []
    while len(found) < _CAMPAIGNS:
        after = found[-1] if found else ""
        row = _next_campaign.first(conn, reason, after)
        if row is None or row[0] is None:
            break
        found.append(row[0])
    return found


def wake(conn: Connection, campaign: str, reason: str, due_at: int, most: int) -> tuple[int, int]:
    """Make some of a campaign's events due, those that have waited longest first; how many events and messages."""
    query = select(held.c.id, held.c.messages).where(held.c.campaign == campaign, held.c.reason == reason)
    rows = list(conn.execute(query.order_by(held.c.since).limit(most).with_for_update(skip_locked=True)))
    if rows:
        conn.execute(update(held).where(held.c.id.in_([r[0] for r in rows])).values(due_at=due_at, reason=WOKEN))
    return len(rows), sum(r[1] for r in rows)


def is_held(conn: Connection, birth: str) -> bool:
    """Whether an event of this birth is parked."""
    return conn.execute(select(held.c.id).where(held.c.birth == birth).limit(1)).first() is not None
