"""Opt-outs as their customer manages them.

Only the keyed index of a recipient is kept, so an opt-out's id is that index, and who opted out is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from ims.adapters.sql.registry_tables import RECIPIENT_BYTES, insert_ignored, opt_outs
from ims.ports.registers import Record
from ims.rules import optouts

_c = opt_outs.c


class OptOutRegister:
    """ims.adapters.sql.registers.Kept. An id is channel.index; many are made by one request, which is told their number."""

    def __init__(self, index: Callable[[str], bytes]) -> None:
        self._index = index

    def page(self, conn: Connection, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> list[Record]:
        query = select(_c.channel, _c.recipient, _c.created_at).where(_c.customer == customer)
        if channel := narrowed.get("channel"):
            query = query.where(_c.channel == channel)
        if recipient := narrowed.get("recipient"):
            query = query.where(_c.channel.in_([str(c) for c in optouts.CHANNELS]), _c.recipient == self._index(recipient))
        if (place := _place(after)) is not None:
            last, index = place
            query = query.where(or_(_c.channel > last, and_(_c.channel == last, _c.recipient > index)))
        return [_record(row) for row in conn.execute(query.order_by(_c.channel, _c.recipient).limit(size))]

    def find(self, conn: Connection, customer: str, id_: str) -> Record | None:
        if (place := _place(id_)) is None:
            return None
        row = conn.execute(select(_c.channel, _c.recipient, _c.created_at).where(_same(customer, *place))).first()
        return None if row is None else _record(row)

    def count(self, conn: Connection, customer: str) -> int:
        return int(conn.execute(select(func.count()).select_from(opt_outs).where(_c.customer == customer)).scalar_one())

    def id_of(self, entry: Mapping[str, Any]) -> str:
        return ""

    def create(self, conn: Connection, now_ms: int, customer: str, entry: Mapping[str, Any], known: Record | None) -> Record:
        rows: dict[str, list[dict[str, Any]]] = {}
        for recipient in dict.fromkeys(entry["recipients"]):
            index = self._index(recipient)
            for channel in map(str, optouts.reaching([recipient])):
                if entry["channels"] is None or channel in entry["channels"]:
                    row = {"customer": customer, "channel": channel, "recipient": index, "created_at": now_ms}
                    rows.setdefault(channel, []).append(row)
        return Record("", {"added": {channel: conn.execute(insert_ignored(opt_outs), some).rowcount for channel, some in rows.items()}})

    def remove(self, conn: Connection, customer: str, known: Record) -> None:
        place = _place(known.id)
        if place is not None:
            conn.execute(delete(opt_outs).where(_same(customer, *place)))


def _same(customer: str, channel: str, index: bytes) -> ColumnElement[bool]:
    return and_(_c.customer == customer, _c.channel == channel, _c.recipient == index)


def _record(row: Any) -> Record:
    id_ = f"{row.channel}.{bytes(row.recipient).hex()}"
    return Record(id_, {"id": id_, "channel": row.channel, "opted_out_at": row.created_at})


def _place(id_: str) -> tuple[str, bytes] | None:
    """None for what is no id of an opt-out."""
    channel, _, index = id_.partition(".")
    try:
        found = bytes.fromhex(index)
    except ValueError:
        return None
    return (channel, found) if channel and len(found) == RECIPIENT_BYTES and index == found.hex() else None
