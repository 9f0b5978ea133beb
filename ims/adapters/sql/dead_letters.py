"""Dead letters as `ims dead` lists and replays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from ims.adapters.sql.changes import decode_attributes
from ims.adapters.sql.lane_tables import dead
from ims.adapters.sql.statements import Statement
from ims.protocol.envelope import Record

_COLUMNS = [dead.c[name] for name in ("seq", "stage", "topic", "attributes", "data", "error_code", "error", "at", "replayed_at")]
_mark = Statement(update(dead).where(dead.c.seq == bindparam("seq_is")).values(replayed_at=bindparam("at")), ["at", "seq_is"])


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `record` is the event as it was before it died, of the topic in which it died."""

    seq: int  # within its lane
    stage: str
    record: Record
    error_code: str
    error: str
    at: int
    replayed_at: int  # 0: never


def _letter(row: Any) -> Letter:
    record = Record(row.topic, decode_attributes(row.attributes), row.data)
    return Letter(row.seq, row.stage, record, row.error_code, row.error, row.at, row.replayed_at)


def page(conn: Connection, after: int, limit: int, *, replayed: bool) -> list[Letter]:
    """The next letters after a number, the oldest first; with or without those that were replayed."""
    query = select(*_COLUMNS).where(dead.c.seq > after).order_by(dead.c.seq).limit(limit)
    return [_letter(row) for row in conn.execute(query if replayed else query.where(dead.c.replayed_at == 0))]


def one(conn: Connection, seq: int) -> Letter | None:
    """A letter by its number."""
    row = conn.execute(select(*_COLUMNS).where(dead.c.seq == seq)).first()
    return None if row is None else _letter(row)


def of_birth(conn: Connection, birth: str) -> list[Letter]:
    """Letters whose subject is this birth event. No index: dead letters are few, and nobody waits."""
    query = select(*_COLUMNS).where(dead.c.attributes.contains(f'"subject":"{birth}"', autoescape=True)).order_by(dead.c.seq)
    return [_letter(row) for row in conn.execute(query)]


def replayed(conn: Connection, letters: list[Letter], at: int) -> None:
    """These were put back into their topics."""
    _mark.many(conn, [(at, letter.seq) for letter in letters])
