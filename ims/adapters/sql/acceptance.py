"""The acceptance key (service key, message_id) in slices by UTC day (design invariant 2).

A look-up reads today's and yesterday's slice. Within five minutes of midnight a row goes into both neighbours, in one
transaction, so that two machines whose clocks disagree about the day still meet on one unique key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, bindparam, delete, inspect, literal_column, select, update

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


_CHUNK = 200  # keys in one look-up: 2 us a key, where a query each costs 18


@cache
def _get_many(day: int) -> Statement:
    t = acceptance_slice(day)
    names = [f"key_{i}" for i in range(_CHUNK)]
    wanted = t.c.key.in_([bindparam(n) for n in names])
    return Statement(select(t.c.key, t.c.digest, t.c.birth, t.c.pos, t.c.at, t.c.accepted).where(wanted), names)


@cache
def _forget(day: int) -> Statement:
    t = acceptance_slice(day)
    return Statement(delete(t).where(t.c.key == bindparam("key_is"), t.c.at <= bindparam("before")), ["key_is", "before"])


@cache
def _approve(day: int) -> Statement:
    t = acceptance_slice(day)
    names = [f"key_{i}" for i in range(_CHUNK)]
    mine = t.c.key.in_([bindparam(n) for n in names]) & (t.c.birth == bindparam("birth_is")) & (t.c.accepted == literal_column("0"))
    return Statement(update(t).where(mine).values(accepted=literal_column("1")), ["birth_is", *names])


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

    def missing(self, days: Sequence[int]) -> list[int]:
        """Those of the days whose slice is not known to exist."""
        return [d for d in days if d not in self._known]

    def create(self, conn: Connection, days: Sequence[int]) -> None:
        """Make slices, in a transaction of their own: one that is undone for another reason would take them along."""
        for day in days:
            acceptance_slice(day).create(conn, checkfirst=True)

    def know(self, days: Sequence[int]) -> None:
        """The transaction of `create` is committed."""
        self._known.update(days)

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


def days_of(at: int) -> list[int]:
    """Every slice that an acceptance at this time reads or writes."""
    return sorted({*written_days(at), *read_days(at)})


def find(conn: Connection, keys: Sequence[bytes], at: int) -> dict[bytes, Existing]:
    """Living rows of the keys. The slices of `days_of(at)` exist."""
    days = read_days(at)
    found: dict[bytes, Existing] = {}
    for key in keys:
        for day in days:
            row = _get(day).first(conn, key)
            if row is not None and row[3] > at - REMEMBER_MS:
                found[key] = Existing(key, row[0], row[1], row[2], row[3], bool(row[4]))
                break
    return found


def find_ever(conn: Connection, key: bytes, days: Sequence[int]) -> Existing | None:
    """The newest acceptance of a key in the slices of these days, the newest first."""
    for day in days:
        row = _get(day).first(conn, key)
        if row is not None:
            return Existing(key, row[0], row[1], row[2], row[3], bool(row[4]))
    return None


def reserve(conn: Connection, reservations: Sequence[Reservation], at: int, *, accepted: bool) -> list[Existing]:
    """Write all rows, or (non-empty answer) leave the transaction to be undone by the caller."""
    written = written_days(at)
    elsewhere = [d for d in read_days(at) if d not in written]
    found: dict[bytes, Existing] = {}
    for day in elsewhere:
        found |= _alive(conn, day, reservations, at)
    if found:
        return list(found.values())
    rows = sorted((r.key, r.digest, r.birth, r.pos, r.at, int(accepted)) for r in reservations)
    for day in written:
        if _put(day).many(conn, rows) == len(rows):
            continue
        births = {r.key: r.birth for r in reservations}
        if clash := [e for e in _alive(conn, day, reservations, at).values() if e.birth != births[e.key]]:
            return clash
        for r in reservations:  # what stood in the way is older than 24 hours: the id is a new message
            _forget(day).run(conn, r.key, at - REMEMBER_MS)
        _put(day).many(conn, rows)
    return []


def _alive(conn: Connection, day: int, reservations: Sequence[Reservation], at: int) -> dict[bytes, Existing]:
    """Rows of these keys in one slice that are younger than 24 hours."""
    found: dict[bytes, Existing] = {}
    keys = [r.key for r in reservations]
    if len(keys) < _CHUNK // 10:
        rows = [(k, *row) for k in keys if (row := _get(day).first(conn, k))]
    else:
        rows = []
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            rows += _get_many(day).all(conn, *part, *[part[0]] * (_CHUNK - len(part)))
    for key, digest, birth, pos, accepted_at, accepted in rows:
        if accepted_at > at - REMEMBER_MS:
            found[key] = Existing(key, digest, birth, pos, accepted_at, bool(accepted))
    return found


def store_births(conn: Connection, births: Sequence[Birth], attributes: Sequence[str]) -> list[Birth]:
    """Write the payload rows; the births that were not there yet."""
    fresh = []
    for birth, text in zip(births, attributes, strict=True):
        if _put_payload.run(conn, birth.id, birth.record.topic, text, birth.record.data, birth.rows, birth.received_at) == 1:
            fresh.append(birth)
    return fresh


def count_accepted(conn: Connection, births: Iterable[tuple[Birth, int]]) -> None:
    """What makes `pending` countable: accepted minus settled. So many rows of each birth event were accepted just now."""
    moves: dict[tuple[str, str, str, str], int] = {}
    for b, rows in births:
        key = (seoul_day(b.received_at), b.service_key, b.channel.upper(), "RECEIVED")
        moves[key] = moves.get(key, 0) + rows
    count(conn, moves)


def approve(conn: Connection, births: Sequence[tuple[Birth, Sequence[bytes]]], at: int) -> None:
    """Reserved rows of birth events (with their keys) become accepted, and are counted, each once."""
    count_accepted(conn, [(birth, _approved(conn, birth.id, keys, at)) for birth, keys in births])


def _approved(conn: Connection, birth: str, keys: Sequence[bytes], at: int) -> int:
    """How many rows this call made accepted; near midnight they stand in two slices."""
    changed = []
    for day in days_of(at):
        parts = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
        changed.append(sum(_approve(day).run(conn, birth, *part, *[part[0]] * (_CHUNK - len(part))) for part in parts))
    return max(changed)
