"""A `Change` written in one transaction, and the reads that decisions start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, case, delete, insert, literal_column, select, update

from ims.adapters.sql import settled
from ims.adapters.sql.lane_tables import arrays, audit, dead, dispatches, held, log, payloads
from ims.adapters.sql.statements import Statement, once, or_change, padded, places
from ims.errors import Conflict
from ims.ports.dispatch import Dispatch, pack, unpack
from ims.ports.records import Change, DeadLetter, HeldEvent, ResultArray, Taken
from ims.protocol.envelope import Record
from ims.protocol.ids import derived

_encode_attributes = msgspec.json.Encoder().encode
decode_attributes = msgspec.json.Decoder(type=dict[str, str]).decode

_DISPATCH_COLUMNS = ["birth", "attempt", "version", "received_at", "due_at", "doc"]
_new_dispatches = once(dispatches, _DISPATCH_COLUMNS)
_change_dispatch = Statement(
    update(dispatches)
    .where(
        dispatches.c.birth == bindparam("birth_is"),
        dispatches.c.attempt == bindparam("attempt_is"),
        dispatches.c.version == bindparam("version_is"),
    )
    .values(version=bindparam("version"), due_at=bindparam("due_at"), doc=bindparam("doc")),
    ["version", "due_at", "doc", "birth_is", "attempt_is", "version_is"],
)


def _moved(stored: Any, given: Any, name: str) -> Any:
    return case((stored.version == given.version - literal_column("1"), given[name]), else_=stored[name])


# The compare-and-set of many rows in one statement. `version` is set last: a server reads what it has just set.
_change_dispatches = or_change(
    dispatches, _DISPATCH_COLUMNS, lambda stored, given: {name: _moved(stored, given, name) for name in ("due_at", "doc", "version")}
)
_ARRAY_COLUMNS = [c.name for c in arrays.columns if c.name != "seq"]
_new_arrays = once(arrays, _ARRAY_COLUMNS)
_HELD_COLUMNS = [c.name for c in held.columns]
_hold = or_change(held, _HELD_COLUMNS, lambda _, given: {name: given[name] for name in _HELD_COLUMNS if name != "id"})
_DEAD_COLUMNS = [c.name for c in dead.columns if c.name != "seq"]
_bury = once(dead, _DEAD_COLUMNS)
_died_again = Statement(  # a replayed letter that dies again is a letter again
    update(dead)
    .where(dead.c.id == bindparam("id_is"), dead.c.stage == bindparam("stage_is"), dead.c.replayed_at > literal_column("0"))
    .values(error_code=bindparam("error_code"), error=bindparam("error"), at=bindparam("at"), replayed_at=literal_column("0")),
    ["error_code", "error", "at", "id_is", "stage_is"],
)
_LOG_COLUMNS = ["topic", "attributes", "data", "at"]
_append = Statement(insert(log).values({c: bindparam(c) for c in _LOG_COLUMNS}), _LOG_COLUMNS)
_audit = once(audit, [c.name for c in audit.columns])


@cache
def _dispatches(size: int) -> Statement:
    names, values = places(size)
    c = dispatches.c
    return Statement(select(c.birth, c.attempt, c.doc, c.version).where(c.birth.in_(values)), names)


@cache
def _payloads(size: int) -> Statement:
    names, values = places(size)
    return Statement(select(payloads.c.birth, payloads.c.attributes, payloads.c.data).where(payloads.c.birth.in_(values)), names)


@cache
def _release(size: int) -> Statement:
    names, values = places(size)
    return Statement(delete(held).where(held.c.due_at == bindparam("until"), held.c.id.in_(values)), ["until", *names])


def attributes_text(record: Record) -> str:
    """A record's attributes as they are stored."""
    return _encode_attributes(record.attributes).decode()


def append_records(conn: Connection, records: Sequence[Record], at: int, *, births: bool = False) -> None:
    """Put records into the embedded log; births leave their data in payloads."""
    _append.many(conn, [(r.topic, attributes_text(r), None if births else r.data, at) for r in records])


def read_dispatches(conn: Connection, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Dispatch]:
    """The rows that exist."""
    wanted = set(keys)
    found: dict[tuple[str, int], Dispatch] = {}
    for size, births in padded(sorted({birth for birth, _ in wanted})):
        for birth, attempt, doc, version in _dispatches(size).all(conn, *births):
            if (birth, attempt) in wanted:
                found[birth, attempt] = unpack(doc, version)
    return found


def read_payloads(conn: Connection, births: Iterable[str]) -> dict[str, tuple[dict[str, str], bytes]]:
    """Attributes and sealed data of birth events."""
    found = {}
    for size, wanted in padded(list(dict.fromkeys(births))):
        for birth, attributes, data in _payloads(size).all(conn, *wanted):
            found[birth] = (decode_attributes(attributes), data)
    return found


def apply(conn: Connection, change: Change, at: int) -> None:
    """Write all of a change. Conflict when a dispatch row moved on; the caller's transaction is then undone.

    Rows are written in the order of their keys, table after table in this order, the counters last: transactions that
    meet on a server wait for each other and not in a ring.
    """
    if change.dispatches:
        _write_dispatches(conn, change.dispatches)
    if change.arrays:
        _new_arrays.many(conn, [_array_row(a) for a in change.arrays])
    hold(conn, change.held)
    release(conn, change.released)
    if change.dead:
        letters = sorted(change.dead, key=lambda d: (d.record.id, d.stage))
        for d in letters:
            _died_again.run(conn, d.error_code, d.error, d.at, d.record.id, d.stage)
        _bury.many(conn, [_dead_row(d) for d in letters])
    if change.audits:
        _audit.many(conn, [(id_, a.at, a.who, a.action, a.target, a.note) for id_, a in change.audits])
    if change.history:
        settled.write(conn, change.history)


def hold(conn: Connection, events: Sequence[HeldEvent]) -> None:
    """Park events; one that is parked already waits anew."""
    _hold.many(conn, sorted(map(_held_row, events)))


def one_statement(change: Change) -> bool:
    """Whether `apply` says all of it at once: the row of one call, and nothing else."""
    more = (change.history, change.arrays, change.held, change.released, change.dead, change.audits)
    return len(change.dispatches) == 1 and not any(more)


def release(conn: Connection, taken: Sequence[Taken]) -> None:
    """End the rest of held events. One that was parked anew meanwhile has another due time, and stays."""
    for until in sorted({t.until for t in taken}):
        for size, ids in padded(sorted(t.record.id for t in taken if t.until == until)):
            _release(size).run(conn, until, *ids)


def _held_row(h: HeldEvent) -> tuple[object, ...]:
    r = h.record
    about = (r.id, r.attributes["subject"], r.topic, h.due_at, h.since, h.send_by, h.reason)
    return (*about, attributes_text(r), r.data, h.campaign, h.messages)


def _dead_row(d: DeadLetter) -> tuple[object, ...]:
    r = d.record
    return (r.id, d.stage, r.topic, attributes_text(r), r.data, d.error_code, d.error, d.at, 0)


def _array_row(a: ResultArray) -> tuple[object, ...]:
    place = (a.id, a.service_key, a.endpoint, derived(a.endpoint, "endpoint"))
    not_called, no_lease, open_ = (0, a.due_at, 0, 0), ("", 0, 0), 0
    return (*place, a.count, a.created_at, a.body, a.key_id, *not_called, *no_lease, open_)


def _write_dispatches(conn: Connection, changed: Sequence[Dispatch]) -> None:
    rows = sorted(changed, key=lambda d: (d.birth, d.attempt))
    new = [d for d in rows if d.version == 0]
    if _new_dispatches.many(conn, [_dispatch_row(d) for d in new]) != len(new):
        raise Conflict("a dispatch row was made meanwhile")
    old = [d for d in rows if d.version]
    if not _compared_and_set(conn, old):
        raise Conflict("a dispatch row changed meanwhile")


def _compared_and_set(conn: Connection, old: Sequence[Dispatch]) -> bool:
    """Whether every row was at the version from which it was changed."""
    if len(old) > 1 and conn.dialect.name == "mysql":
        # Counted: 2 for a row that moved, 1 for one that did not or was gone.
        return _change_dispatches.many(conn, [_dispatch_row(d) for d in old]) == 2 * len(old)
    moved = [(d.version + 1, d.due_at(), pack(d), d.birth, d.attempt, d.version) for d in old]
    return _change_dispatch.many(conn, moved) == len(old)


def _dispatch_row(d: Dispatch) -> tuple[object, ...]:
    return (d.birth, d.attempt, d.version + 1, d.received_at, d.due_at(), pack(d))
