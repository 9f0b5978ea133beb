"""The acceptance key (service key, message_id) in slices by UTC day (design invariant 2).

A look-up reads today's and yesterday's slice. Within five minutes of midnight a row goes into both neighbours, in one
transaction, so that two machines whose clocks disagree about the day still meet on one unique key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, bindparam, delete, inspect, literal_column, select, update
from sqlalchemy.schema import CreateTable, DropTable

from ims.adapters.sql.counters import count, count_campaigns, seoul_day
from ims.adapters.sql.database import Raced
from ims.adapters.sql.lane_tables import acceptance_slice, payloads
from ims.adapters.sql.statements import Statement, once, padded, places
from ims.ports.records import Birth, Existing, Reservation
from ims.protocol.ids import day_of
from ims.topics import Channel

REMEMBER_MS = 24 * 3600 * 1000  # contract 1: the same id within 24 hours is the same message
_NEAR_MIDNIGHT_MS = 5 * 60 * 1000
_DAY_MS = 86_400_000


@cache
def _put(day: int) -> Statement:
    return once(acceptance_slice(day), ["key", "digest", "birth", "pos", "at", "accepted"])


@cache
def _get(day: int, size: int) -> Statement:
    t, (names, values) = acceptance_slice(day), places(size)
    return Statement(select(t.c.key, t.c.digest, t.c.birth, t.c.pos, t.c.at, t.c.accepted).where(t.c.key.in_(values)), names)


@cache
def _forget(day: int, size: int) -> Statement:
    t, (names, values) = acceptance_slice(day), places(size)
    return Statement(delete(t).where(t.c.key.in_(values), t.c.at <= bindparam("before")), [*names, "before"])


@cache
def _approve(day: int, size: int) -> Statement:
    t, (names, values) = acceptance_slice(day), places(size)
    mine = t.c.key.in_(values) & (t.c.birth == bindparam("birth_is")) & (t.c.accepted == literal_column("0"))
    return Statement(update(t).where(mine).values(accepted=literal_column("1")), ["birth_is", *names])


@cache
def _births(size: int) -> Statement:
    names, values = places(size)
    return Statement(select(payloads.c.birth).where(payloads.c.birth.in_(values)), names)


_put_payloads = once(payloads, ["birth", "topic", "attributes", "data", "rows", "received_at"])


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
            conn.execute(CreateTable(acceptance_slice(day), if_not_exists=True))

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
            conn.execute(DropTable(acceptance_slice(d), if_exists=True))
            self._known.discard(d)
        return len(old)


def days_of(at: int) -> list[int]:
    """Every slice that an acceptance at this time reads or writes."""
    return sorted({*written_days(at), *read_days(at)})


def find(conn: Connection, keys: Sequence[bytes], at: int) -> dict[bytes, Existing]:
    """Living rows of the keys. The slices of `days_of(at)` exist."""
    return _newest(conn, keys, read_days(at), at - REMEMBER_MS)


def find_ever(conn: Connection, keys: Sequence[bytes], days: Sequence[int]) -> dict[bytes, Existing]:
    """The newest acceptance of each key in the slices of these days, the newest first."""
    return _newest(conn, keys, days, -1)


def _newest(conn: Connection, keys: Sequence[bytes], days: Sequence[int], after: int) -> dict[bytes, Existing]:
    found: dict[bytes, Existing] = {}
    for day in days:
        if missing := [key for key in keys if key not in found]:
            found |= _in_slice(conn, day, missing, after)
    return found


def _in_slice(conn: Connection, day: int, keys: Sequence[bytes], after: int) -> dict[bytes, Existing]:
    """Rows of these keys in one slice that are younger than a moment."""
    found: dict[bytes, Existing] = {}
    for size, wanted in padded(keys):
        for key, digest, birth, pos, accepted_at, accepted in _get(day, size).all(conn, *wanted):
            if accepted_at > after:
                found[key] = Existing(key, digest, birth, pos, accepted_at, bool(accepted))
    return found


def reserve(conn: Connection, reservations: Sequence[Reservation], at: int, *, accepted: bool) -> list[Existing]:
    """Write all rows, or (non-empty answer) leave the transaction to be undone by the caller.

    Two that reserve the same key at once meet on the unique key of a slice: the second waits there, then is told of the
    first. Keys and slices are written in one order, or they would wait for each other.
    """
    written = sorted(written_days(at))
    elsewhere = [d for d in read_days(at) if d not in written]
    births = {r.key: r.birth for r in reservations}
    if found := _newest(conn, list(births), elsewhere, at - REMEMBER_MS):
        return list(found.values())
    rows = sorted((r.key, r.digest, r.birth, r.pos, r.at, int(accepted)) for r in reservations)
    for day in written:
        if _put(day).many(conn, rows) == len(rows):
            continue
        if clash := _of_others(conn, day, births, at):
            return clash
        for size, keys in padded(sorted(births)):  # what stood in the way is older than 24 hours: the id is a new message
            _forget(day, size).run(conn, *keys, at - REMEMBER_MS)
        _put(day).many(conn, rows)
        if clash := _of_others(conn, day, births, at):  # another transaction forgot and wrote it first
            return clash
    return []


def _of_others(conn: Connection, day: int, births: dict[bytes, str], at: int) -> list[Existing]:
    """Living rows of the keys that belong to other births: a repeat of the same acceptance finds its own."""
    return [e for e in _in_slice(conn, day, list(births), at - REMEMBER_MS).values() if e.birth != births[e.key]]


def store_births(conn: Connection, births: Sequence[Birth], attributes: Sequence[str]) -> list[Birth]:
    """Write the payload rows; the births that were not there yet."""
    known: set[str] = set()
    if len(births) > 1:
        for size, ids in padded([b.id for b in births]):
            known.update(row[0] for row in _births(size).all(conn, *ids))
    fresh = [(b, text) for b, text in zip(births, attributes, strict=True) if b.id not in known]
    rows = sorted((b.id, b.record.topic, text, b.record.data, b.rows, b.received_at) for b, text in fresh)
    written = _put_payloads.many(conn, rows)
    if len(births) == 1:
        return list(births[:written])
    if written != len(rows):
        raise Raced("a birth was stored meanwhile")
    return [b for b, _ in fresh]


def count_accepted(conn: Connection, births: Iterable[tuple[Birth, int]]) -> None:
    """What makes `pending` countable: RECEIVED until the first result. So many rows of each birth event were accepted just now."""
    moves: dict[tuple[str, str, str, str], int] = {}
    campaigns: dict[tuple[str, str, str], int] = {}
    at = 0
    for b, rows in births:
        key = (seoul_day(b.received_at), b.service_key, Channel(b.channel).code, "RECEIVED")
        moves[key] = moves.get(key, 0) + rows
        if b.campaign_id:
            at = max(at, b.received_at)
            name = (b.service_key, b.campaign_id, "RECEIVED")
            campaigns[name] = campaigns.get(name, 0) + rows
    count(conn, moves)
    count_campaigns(conn, campaigns, at)


def approve(conn: Connection, births: Sequence[tuple[Birth, Sequence[bytes]]], days: Sequence[int]) -> None:
    """Reserved rows of birth events (with their keys) become accepted, and are counted, each once. `days`: the slices they stand in."""
    in_order = sorted(births, key=lambda b: b[0].id)
    count_accepted(conn, [(birth, _approved(conn, birth.id, keys, sorted(days))) for birth, keys in in_order])


def _approved(conn: Connection, birth: str, keys: Sequence[bytes], days: Sequence[int]) -> int:
    """How many rows this call made accepted; near midnight they stand in two slices."""
    return max(sum(_approve(day, size).run(conn, birth, *part) for size, part in padded(sorted(keys))) for day in days)
