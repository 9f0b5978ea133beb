"""The audit log of the registry: written by the transaction of the change itself, read by page, forgotten by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from ims.adapters.sql.registry_tables import audits
from ims.ports.registers import Audited, Author

_TARGET_CHARACTERS = 200


def write(
    conn: Connection,
    now_ms: int,
    author: Author,
    action: str,
    target: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """One change. What is personal in it was masked before."""
    row = {
        "customer": author.customer,
        "user": author.user,
        "address": author.address,
        "action": action,
        "target": target[:_TARGET_CHARACTERS],
        "before": _packed(before),
        "after": _packed(after),
        "created_at": now_ms,
    }
    conn.execute(insert(audits), row)


def page(conn: Connection, customer: str, before: int | None, size: int) -> list[Audited]:
    """The newest first, those before a number."""
    c = audits.c
    query = select(c.number, c.created_at, c.user, c.address, c.action, c.target, c.before, c.after).where(c.customer == customer)
    if before is not None:
        query = query.where(c.number < before)
    rows = conn.execute(query.order_by(c.number.desc()).limit(size))
    return [Audited(*row[:6], _unpacked(row[6]), _unpacked(row[7])) for row in rows]


def drop_page(conn: Connection, before: int, limit: int) -> int:
    """Forget what was written before then; keys first: MySQL takes no LIMIT inside IN."""
    old = conn.execute(select(audits.c.number).where(audits.c.created_at < before).limit(limit)).scalars().all()
    return conn.execute(delete(audits).where(audits.c.number.in_(old))).rowcount if old else 0


def _packed(fields: Mapping[str, Any] | None) -> str:
    return "" if fields is None else msgspec.json.encode(fields).decode()


def _unpacked(text: str) -> Mapping[str, Any] | None:
    return msgspec.json.decode(text) if text else None
