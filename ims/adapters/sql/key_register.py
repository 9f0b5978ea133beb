"""Service keys as their customer manages them: issued, capped, stopped and started. None is deleted: its history is asked for by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from ims.adapters.sql.registry_snapshot import service_key_of
from ims.adapters.sql.registry_tables import service_keys
from ims.adapters.sql.registry_writes import add_key
from ims.lanes import Lane
from ims.ports.registers import Record
from ims.rules.registration import ServiceKeyEntry

_c = service_keys.c


class KeyRegister:
    """ims.adapters.sql.registers.Changing. A key is drawn when it is issued, so each request for one issues another."""

    def page(self, conn: Connection, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> list[Record]:
        query = select(service_keys).where(_c.customer == customer, _c.key > after)
        return [_record(row) for row in conn.execute(query.order_by(_c.key).limit(size))]

    def find(self, conn: Connection, customer: str, id_: str) -> Record | None:
        row = conn.execute(select(service_keys).where(_c.customer == customer, _c.key == id_)).first()
        return None if row is None else _record(row)

    def count(self, conn: Connection, customer: str) -> int:
        return int(conn.execute(select(func.count()).select_from(service_keys).where(_c.customer == customer)).scalar_one())

    def id_of(self, entry: Mapping[str, Any]) -> str:
        return ""

    def create(self, conn: Connection, now_ms: int, customer: str, entry: Mapping[str, Any], known: Record | None) -> Record:
        wanted = ServiceKeyEntry(**{**entry, "kind": Lane(entry["kind"])})
        key = add_key(conn, now_ms, customer, wanted)
        return _record(conn.execute(select(service_keys).where(_c.key == key.key)).one())

    def change(self, conn: Connection, now_ms: int, customer: str, known: Record, entry: Mapping[str, Any]) -> Record:
        values = {**entry, "allowed_ips": "\n".join(entry["allowed_ips"])}
        conn.execute(update(service_keys).where(_c.customer == customer, _c.key == known.id).values(values))
        return Record(known.id, {**known.fields, **entry})


def _record(row: Any) -> Record:
    key = service_key_of(row)
    fields = {
        "key": key.key,
        "kind": str(key.kind),
        "active": key.active,
        "rate_per_s": key.rate_per_s,
        "daily_cap": key.daily_cap,
        "allowed_ips": list(key.allowed_ips),
        "issued_at": row.created_at,
    }
    return Record(key.key, fields)
