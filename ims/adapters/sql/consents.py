"""Consents on SQL. No snapshot of the registry holds them, so its change counter is left alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select

from ims.adapters.sql.database import Database
from ims.adapters.sql.registry_tables import consents
from ims.adapters.sql.registry_writes import require_customer
from ims.adapters.sql.statements import Statement, or_change, padded, places
from ims.ports.clock import Clock
from ims.ports.consents import MOST_WRITTEN, Count
from ims.ports.consents import Statement as Said

_C = consents.c
_COLUMNS = ("customer", "channel", "recipient", "purpose", "source", "wording", "agreed_at", "withdrawn_at", "created_at")


class SqlConsents:
    """ims.ports.consents.Consents, with what operators are shown."""

    def __init__(self, db: Database, now_ms: Clock) -> None:
        self._db = db
        self._now_ms = now_ms

    async def given(self, customer: str, channel: str, recipients: Sequence[bytes]) -> dict[bytes, set[str]]:
        """As the port says."""
        wanted = list(dict.fromkeys(recipients))
        return await self._db.read(lambda conn: _given(conn, customer, channel, wanted), few=True) if wanted else {}

    async def record(self, customer: str, said: Sequence[Said]) -> None:
        """As the port says."""
        if len(said) > MOST_WRITTEN:
            raise ValueError("too many statements for one write")
        now = self._now_ms()
        rows = [
            (customer, s.channel, s.recipient, s.purpose, *((s.source, s.wording, s.at, 0) if s.agreed else ("", "", 0, s.at)), now)
            for s in said
        ]

        def job(conn: Connection) -> None:
            require_customer(conn, customer)
            _LATEST.many(conn, rows)

        await self._db.write(job, durable=True)

    async def count(self, customer: str | None = None) -> list[Count]:
        """By customer, channel and purpose; who they are is not known here."""
        group = (_C.customer, _C.channel, _C.purpose)
        agreed = func.sum(case((_C.agreed_at > _C.withdrawn_at, 1), else_=0))
        withdrawn = func.sum(case((_C.agreed_at > _C.withdrawn_at, 0), else_=1))
        query = select(*group, agreed, withdrawn).group_by(*group).order_by(*group)
        if customer is not None:
            query = query.where(_C.customer == customer)
        return await self._db.read(lambda conn: [Count(c, ch, p, int(a), int(w)) for c, ch, p, a, w in conn.execute(query)])


def _later(stored: Any, new: Any) -> dict[str, Any]:
    """Each moment is the latest that was told. On a server the columns change in this order, each by what stands there then."""
    newer = new.agreed_at > stored.agreed_at
    return {
        "source": case((newer, new.source), else_=stored.source),
        "wording": case((newer, new.wording), else_=stored.wording),
        "agreed_at": case((newer, new.agreed_at), else_=stored.agreed_at),
        "withdrawn_at": case((new.withdrawn_at > stored.withdrawn_at, new.withdrawn_at), else_=stored.withdrawn_at),
    }


_LATEST = or_change(consents, _COLUMNS, _later)


def _given(conn: Connection, customer: str, channel: str, wanted: Sequence[bytes]) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = defaultdict(set)
    for size, values in padded(wanted):
        for recipient, purpose in in_force(size).all(conn, customer, channel, *values):
            found[bytes(recipient)].add(purpose)
    return found


@cache
def in_force(size: int) -> Statement:
    """What so many recipients agree to, read from the primary key alone."""
    names, binds = places(size)
    mine = (_C.customer == bindparam("who")) & (_C.channel == bindparam("by"))
    query = select(_C.recipient, _C.purpose).where(mine, _C.recipient.in_(binds), _C.agreed_at > _C.withdrawn_at)
    return Statement(query, ("who", "by", *names))
