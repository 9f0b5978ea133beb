"""A `Change` written in one transaction, and the reads that decisions start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, literal_column, select, update

from ims.adapters.sql.lane_tables import arrays, audit, daily, dead, dispatches, held, history, log, payloads
from ims.adapters.sql.statements import Statement
from ims.errors import Conflict
from ims.ports.dispatch import Dispatch, pack, unpack
from ims.ports.records import Change, HistoryRow, ResultArray, Taken
from ims.protocol.envelope import Record
from ims.protocol.ids import derived

_SEOUL = ZoneInfo("Asia/Seoul")
_encode_attributes = msgspec.json.Encoder().encode
decode_attributes = msgspec.json.Decoder(type=dict[str, str]).decode


def once(table: object) -> object:
    """INSERT that keeps a row which is already there."""
    return insert(table).prefix_with("OR IGNORE", dialect="sqlite").prefix_with("IGNORE", dialect="mysql")  # type: ignore[arg-type]


_new_dispatch = Statement(once(dispatches), ["birth", "attempt", "version", "received_at", "due_at", "doc"])  # type: ignore[arg-type]
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
_dispatch = Statement(
    select(dispatches.c.doc, dispatches.c.version).where(
        dispatches.c.birth == bindparam("birth_is"), dispatches.c.attempt == bindparam("attempt_is")
    ),
    ["birth_is", "attempt_is"],
)
_payload = Statement(
    select(payloads.c.attributes, payloads.c.data).where(payloads.c.birth == bindparam("birth_is")), ["birth_is"]
)
HISTORY_COLUMNS = [c.name for c in history.columns]
_history_of_birth = Statement(select(history.c.pos, history.c.number).where(history.c.birth == bindparam("birth_is")), ["birth_is"])
_new_history = Statement(once(history), HISTORY_COLUMNS)  # type: ignore[arg-type]
_LATER_COLUMNS = ["number", "result", "report_type", "report_code", "provider", "provider_code", "attempts", "report_at"]
_change_history = Statement(
    update(history)
    .where(history.c.birth == bindparam("birth_is"), history.c.pos == bindparam("pos_is"))
    .values({c: bindparam(c) for c in _LATER_COLUMNS}),
    [*_LATER_COLUMNS, "birth_is", "pos_is"],
)
_count_more = Statement(
    update(daily)
    .where(
        daily.c.day == bindparam("day_is"),
        daily.c.service_key == bindparam("key_is"),
        daily.c.report_type == bindparam("type_is"),
        daily.c.result == bindparam("result_is"),
    )
    .values(count=daily.c.count + bindparam("by")),
    ["by", "day_is", "key_is", "type_is", "result_is"],
)
_count_new = Statement(insert(daily), ["day", "service_key", "report_type", "result", "count"])
_ARRAY_COLUMNS = [c.name for c in arrays.columns if c.name != "seq"]
_new_array = Statement(once(arrays).values({c: bindparam(c) for c in _ARRAY_COLUMNS}), _ARRAY_COLUMNS)  # type: ignore[attr-defined]
_HELD_COLUMNS = [c.name for c in held.columns]
_unhold = Statement(delete(held).where(held.c.id == bindparam("id_is")), ["id_is"])
_release = Statement(delete(held).where(held.c.id == bindparam("id_is"), held.c.due_at == bindparam("until")), ["id_is", "until"])
_hold = Statement(insert(held), _HELD_COLUMNS)
_DEAD_COLUMNS = [c.name for c in dead.columns if c.name != "seq"]
_bury = Statement(once(dead).values({c: bindparam(c) for c in _DEAD_COLUMNS}), _DEAD_COLUMNS)  # type: ignore[attr-defined]
_died_again = Statement(  # a replayed letter that dies again is a letter again
    update(dead)
    .where(dead.c.id == bindparam("id_is"), dead.c.stage == bindparam("stage_is"), dead.c.replayed_at > literal_column("0"))
    .values(error_code=bindparam("error_code"), error=bindparam("error"), at=bindparam("at"), replayed_at=literal_column("0")),
    ["error_code", "error", "at", "id_is", "stage_is"],
)
_LOG_COLUMNS = ["topic", "attributes", "data", "at"]
_append = Statement(insert(log).values({c: bindparam(c) for c in _LOG_COLUMNS}), _LOG_COLUMNS)
_AUDIT_COLUMNS = [c.name for c in audit.columns]
_audit = Statement(once(audit), _AUDIT_COLUMNS)  # type: ignore[arg-type]


def seoul_day(at_ms: int) -> str:
    """The calendar day in Asia/Seoul, as statistics count it."""
    return datetime.fromtimestamp(at_ms / 1000, _SEOUL).date().isoformat()


def attributes_text(record: Record) -> str:
    """A record's attributes as they are stored."""
    return _encode_attributes(record.attributes).decode()


def append_records(conn: Connection, records: Sequence[Record], at: int, *, births: bool = False) -> None:
    """Put records into the embedded log; births leave their data in payloads."""
    _append.many(conn, [(r.topic, attributes_text(r), None if births else r.data, at) for r in records])


def read_dispatches(conn: Connection, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Dispatch]:
    """The rows that exist."""
    found: dict[tuple[str, int], Dispatch] = {}
    for key in keys:
        row = _dispatch.first(conn, *key)
        if row is not None:
            found[key] = unpack(row[0], row[1])
    return found


def read_payloads(conn: Connection, births: Iterable[str]) -> dict[str, tuple[dict[str, str], bytes]]:
    """Attributes and sealed data of birth events."""
    found = {}
    for birth in births:
        row = _payload.first(conn, birth)
        if row is not None:
            found[birth] = (decode_attributes(row[0]), row[1])
    return found


def apply(conn: Connection, change: Change, at: int) -> None:
    """Write all of a change. Conflict when a dispatch row moved on; the caller's transaction is then undone."""
    for d in change.dispatches:
        _write_dispatch(conn, d)
    if change.history:
        _write_history(conn, change.history)
    if change.arrays:
        _new_array.many(conn, [_array_row(a) for a in change.arrays])
    for h in change.held:
        _unhold.run(conn, h.record.id)
        r = h.record
        _hold.run(conn, r.id, r.attributes["subject"], r.topic, h.due_at, h.since, h.send_by, h.reason, attributes_text(r), r.data)
    release(conn, change.released)
    if change.dead:
        letters = [(d.record, d) for d in change.dead]
        for letter in change.dead:
            _died_again.run(conn, letter.error_code, letter.error, letter.at, letter.record.id, letter.stage)
        _bury.many(conn, [(r.id, d.stage, r.topic, attributes_text(r), r.data, d.error_code, d.error, d.at, 0) for r, d in letters])
    if change.audits:
        _audit.many(conn, [(id_, a.at, a.who, a.action, a.target, a.note) for id_, a in change.audits])


def release(conn: Connection, taken: Sequence[Taken]) -> None:
    """End the rest of held events. One that was parked anew meanwhile has another due time, and stays."""
    _release.many(conn, sorted((t.record.id, t.until) for t in taken))


def _array_row(a: ResultArray) -> tuple[object, ...]:
    place = (a.id, a.service_key, a.endpoint, derived(a.endpoint, "endpoint"))
    not_called, no_lease = (0, a.due_at, 0, 0), ("", 0, 0)
    return (*place, a.count, a.created_at, a.body, a.key_id, *not_called, *no_lease)


def _write_dispatch(conn: Connection, d: Dispatch) -> None:
    if d.version == 0:
        changed = _new_dispatch.run(conn, d.birth, d.attempt, 1, d.received_at, d.due_at(), pack(d))
    else:
        changed = _change_dispatch.run(conn, d.version + 1, d.due_at(), pack(d), d.birth, d.attempt, d.version)
    if changed != 1:
        raise Conflict(f"dispatch {d.birth} changed meanwhile")


def _write_history(conn: Connection, rows: Sequence[HistoryRow]) -> None:
    """Insert first results, overwrite by later ones, and move the day's counters by exactly what changed."""
    by_birth: dict[str, list[HistoryRow]] = {}
    for r in rows:
        by_birth.setdefault(r.birth, []).append(r)
    fresh: list[HistoryRow] = []
    later: list[HistoryRow] = []
    for birth, group in by_birth.items():
        stored = {row[0]: row[1] for row in _history_of_birth.all(conn, birth)}
        for r in group:
            number = stored.get(r.pos, 0)
            if r.number > number:
                (later if number else fresh).append(r)
                stored[r.pos] = r.number
    _new_history.many(conn, [r[:-1] for r in fresh])
    _change_history.many(
        conn,
        [(*(getattr(r, c) for c in _LATER_COLUMNS), r.birth, r.pos) for r in later],
    )
    moves: dict[tuple[str, str, str, str], int] = {}
    for r in (*fresh, *later):
        day = seoul_day(r.received_at)
        told = (day, r.service_key, r.report_type, r.result)
        moves[told] = moves.get(told, 0) + 1
    for r in later:
        before = (seoul_day(r.received_at), r.service_key, r.report_type, r.previous)
        moves[before] = moves.get(before, 0) - 1
    count(conn, moves)


def count(conn: Connection, moves: dict[tuple[str, str, str, str], int]) -> None:
    """Move counters (day, service key, type, result) by the given amounts."""
    for (day, key, kind, result), by in moves.items():
        if by and _count_more.run(conn, by, day, key, kind, result) == 0:
            _count_new.run(conn, day, key, kind, result, by)
