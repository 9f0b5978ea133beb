"""The acceptance key (service key, message_id) in slices by UTC day (design invariant 2).

A look-up reads today's and yesterday's slice. Within five minutes of midnight a row goes into both neighbours, in one
transaction, so that two machines whose clocks disagree about the day still meet on one unique key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, bindparam, delete, inspect, select, update

from ims.adapters.sql.changes import count, once, seoul_day
from ims.adapters.sql.lane_tables import acceptance_slice, payloads
from ims.adapters.sql.statements import Statement
from ims.ports.records import Birth, Existing, Reservation
from ims.protocol.ids import day_of

REMEMBER_MS = 24 * 3600 * 1000  # contract 1: the same id within 24 hours is the same message
_NEAR_MIDNIGHT_MS = 5 * 60 * 1000
_DAY_MS = 86_400_000


@cache
def _put(day: int) -> Statement:
    return Statement(once(acceptance_slice(day)), ["key", "digest", "birth", "pos", "at", "accepted"])  # type: ignore[arg-type]


@cache
def _get(day: int) -> Statement:
    t = acceptance_slice(day)
    return Statement(select(t.c.digest, t.c.birth, t.c.pos, t.c.at, t.c.accepted).where(t.c.key == bindparam("key_is")), ["key_is"])


@cache
def _forget(day: int) -> Statement:
    t = acceptance_slice(day)
    return Statement(delete(t).where(t.c.key == bindparam("key_is"), t.c.at <= bindparam("before")), ["key_is", "before"])


@cache
def _approve(day: int) -> Statement:
    t = acceptance_slice(day)
    return Statement(
        update(t).where(t.c.key == bindparam("key_is"), t.c.birth == bindparam("birth_is")).values(accepted=1), ["key_is", "birth_is"]
    )


_PAYLOAD_COLUMNS = ["birth", "topic", "attributes", "data", "rows", "received_at"]
_put_payload = Statement(once(payloads), _PAYLOAD_COLUMNS)  # type: ignore[arg-type]


def written_days(at: int) -> list[int]:
    """The slices that a row accepted at this time goes into."""
    today = day_of(at)
    days = [today]
    if at % _DAY_MS < _NEAR_MIDNIGHT_MS:
        days.append(today - 1)
    if at % _DAY_MS >= _DAY_MS - _NEAR_MIDNIGHT_MS:
        days.append(today + 1)
    return days


def read_days(at: int) -> list[int]:
    """The slices in which a living row may stand, the newest first."""
    today = day_of(at)
    days = [today, today - 1]
    if at % _DAY_MS >= _DAY_MS - _NEAR_MIDNIGHT_MS:
        days.insert(0, today + 1)
    return days


class Slices:
    """Remembers which slices exist in a database, so that the hot path asks once a day."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def ensure(self, conn: Connection, days: Sequence[int]) -> None:
        for day in days:
            if day not in self._known:
                acceptance_slice(day).create(conn, checkfirst=True)
                self._known.add(day)

    def existing(self, conn: Connection) -> list[int]:
        """All days that have a slice, the newest first."""
        names = [n for n in inspect(conn).get_table_names() if n.startswith("acceptance_")]
        return sorted((int(n.removeprefix("acceptance_")) for n in names), reverse=True)

    def drop_before(self, conn: Connection, day: int) -> int:
        """Drop the slices of earlier days; how many there were."""
        old = [d for d in self.existing(conn) if d < day]
        for d in old:
            acceptance_slice(d).drop(conn, checkfirst=True)
            self._known.discard(d)
        return len(old)


def find(conn: Connection, slices: Slices, keys: Sequence[bytes], at: int) -> dict[bytes, Existing]:
    """Living rows of the keys."""
    days = read_days(at)
    slices.ensure(conn, days)
    found: dict[bytes, Existing] = {}
    for key in keys:
        for day in days:
            row = _get(day).first(conn, key)
            if row is not None and row[3] > at - REMEMBER_MS:
                found[key] = Existing(key, row[0], row[1], row[2], row[3], bool(row[4]))
                break
    return found


def find_ever(conn: Connection, slices: Slices, key: bytes, days: Sequence[int]) -> Existing | None:
    """The newest acceptance of a key in any kept slice."""
    del slices
    for day in days:
        row = _get(day).first(conn, key)
        if row is not None:
            return Existing(key, row[0], row[1], row[2], row[3], bool(row[4]))
    return None


def reserve(conn: Connection, slices: Slices, reservations: Sequence[Reservation], at: int, *, accepted: bool) -> list[Existing]:
    """Write all rows, or (non-empty answer) leave the transaction to be undone by the caller."""
    written = written_days(at)
    slices.ensure(conn, {*written, *read_days(at)})  # type: ignore[arg-type]
    elsewhere = [d for d in read_days(at) if d not in written]
    found: dict[bytes, Existing] = {}
    for day in elsewhere:
        get = _get(day)
        for r in reservations:
            row = get.first(conn, r.key)
            if row is not None and row[3] > at - REMEMBER_MS:
                found[r.key] = Existing(r.key, row[0], row[1], row[2], row[3], bool(row[4]))
    if found:
        return list(found.values())
    rows = sorted((r.key, r.digest, r.birth, r.pos, r.at, int(accepted)) for r in reservations)
    for day in written:
        if _put(day).many(conn, rows) == len(rows):
            continue
        if near := find(conn, slices, [r.key for r in reservations], at):
            mine = {(r.key, r.birth) for r in reservations}
            if clash := [e for e in near.values() if (e.key, e.birth) not in mine]:
                return clash
        for r in reservations:  # what stood in the way is older than 24 hours: the id is a new message
            _forget(day).run(conn, r.key, at - REMEMBER_MS)
        _put(day).many(conn, rows)
    return []


def store_births(conn: Connection, births: Sequence[Birth], attributes: Sequence[str]) -> list[Birth]:
    """Write the payload rows; the births that were not there yet."""
    fresh = []
    for birth, text in zip(births, attributes, strict=True):
        if _put_payload.run(conn, birth.id, birth.record.topic, text, birth.record.data, birth.rows, birth.received_at) == 1:
            fresh.append(birth)
    return fresh


def count_accepted(conn: Connection, births: Sequence[Birth]) -> None:
    """What makes `pending` countable: accepted minus settled."""
    moves: dict[tuple[str, str, str, str], int] = {}
    for b in births:
        key = (seoul_day(b.received_at), b.service_key, b.channel.upper(), "RECEIVED")
        moves[key] = moves.get(key, 0) + b.rows
    count(conn, moves)


def approve(conn: Connection, slices: Slices, reservations: Sequence[tuple[bytes, str]], at: int) -> None:
    """Reserved rows become accepted, in every slice that they stand in."""
    days = {*written_days(at), *read_days(at)}
    slices.ensure(conn, sorted(days))
    for day in days:
        _approve(day).many(conn, list(reservations))


def approve_birth(conn: Connection, slices: Slices, birth: str, at: int) -> None:
    """All rows of one birth event become accepted: a repeated request found them reserved."""
    days = written_days(at)
    slices.ensure(conn, days)
    for day in days:
        t = acceptance_slice(day)
        conn.execute(update(t).where(t.c.birth == birth).values(accepted=1))
