"""ims.ports.registers.Registers: what every register has in common, and where each one keeps its things.

A write raises the registry's change counter first, so on a server one writer at a time sees what it checks and what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from ims.adapters.sql import audit
from ims.adapters.sql.database import Database
from ims.adapters.sql.key_register import KeyRegister
from ims.adapters.sql.number_claims import NumberRegister
from ims.adapters.sql.optout_register import OptOutRegister
from ims.errors import Rejected
from ims.ports.clock import Clock
from ims.ports.registers import Audited, Author, Record
from ims.rules.faults import Fault, Rejections
from ims.rules.registers import KEYS, NUMBERS, OPT_OUTS, REGISTERS, shown

T = TypeVar("T")


class Kept(Protocol):
    """One register's things in the tables. Each of these runs inside a transaction."""

    def page(self, conn: Connection, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> list[Record]: ...

    def find(self, conn: Connection, customer: str, id_: str) -> Record | None: ...

    def count(self, conn: Connection, customer: str) -> int: ...

    def id_of(self, entry: Mapping[str, Any]) -> str:
        """What a new thing will be called; empty where there is no telling."""
        ...

    def create(self, conn: Connection, now_ms: int, customer: str, entry: Mapping[str, Any], known: Record | None) -> Record:
        """`known`: what is called so already. Rejected 1409 when it is another one."""
        ...


class Removing(Kept, Protocol):
    """One whose things can be deleted."""

    def remove(self, conn: Connection, customer: str, known: Record) -> None: ...


class Changing(Kept, Protocol):
    """One whose things can change."""

    def change(self, conn: Connection, now_ms: int, customer: str, known: Record, entry: Mapping[str, Any]) -> Record: ...


class Write(Protocol):
    """Runs a job that raises the registry's change counter first."""

    async def __call__(self, job: Callable[[Connection], T]) -> T: ...


class SqlRegisters:
    """All of them over the registry's database."""

    def __init__(self, db: Database, write: Write, index: Callable[[str], bytes], now_ms: Clock) -> None:
        self._db = db
        self._write = write
        self._now_ms = now_ms
        numbers, opt_outs, keys = NumberRegister(), OptOutRegister(index), KeyRegister()
        self._kept: Mapping[str, Kept] = {NUMBERS.name: numbers, OPT_OUTS.name: opt_outs, KEYS.name: keys}
        self._changing: Mapping[str, Changing] = {NUMBERS.name: numbers, KEYS.name: keys}
        self._removing: Mapping[str, Removing] = {NUMBERS.name: numbers, OPT_OUTS.name: opt_outs}

    async def page(self, register: str, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> Sequence[Record]:
        return await self._db.read(lambda conn: self._kept[register].page(conn, customer, after, size, narrowed))

    async def find(self, register: str, customer: str, id_: str) -> Record | None:
        return await self._db.read(lambda conn: self._kept[register].find(conn, customer, id_), few=True)

    async def create(self, register: str, author: Author, entry: Mapping[str, Any]) -> Record:
        kept, now, most = self._kept[register], self._now_ms(), REGISTERS[register].most

        def job(conn: Connection) -> Record:
            id_ = kept.id_of(entry)
            before = kept.find(conn, author.customer, id_) if id_ else None
            if before is None and most and kept.count(conn, author.customer) >= most:
                raise Rejections([Fault("", "1429", f"최대 {most:,}개입니다.", f"There may be {most:,} at most.")])
            after = kept.create(conn, now, author.customer, entry, before)
            if after != before:
                self._note(conn, now, author, register, "create", before, after)
            return after

        return await self._write(job)

    async def change(self, register: str, author: Author, id_: str, tag: str, entry: Mapping[str, Any]) -> Record:
        kept, now = self._changing[register], self._now_ms()

        def job(conn: Connection) -> Record:
            before = _seen(kept.find(conn, author.customer, id_), tag)
            after = kept.change(conn, now, author.customer, before, entry)
            if after != before:
                self._note(conn, now, author, register, "change", before, after)
            return after

        return await self._write(job)

    async def remove(self, register: str, author: Author, id_: str, tag: str | None) -> None:
        kept, now = self._removing[register], self._now_ms()

        def job(conn: Connection) -> None:
            before = _seen(kept.find(conn, author.customer, id_), tag)
            kept.remove(conn, author.customer, before)
            self._note(conn, now, author, register, "remove", before, None)

        await self._write(job)

    async def audited(self, customer: str, before: int | None, size: int) -> Sequence[Audited]:
        return await self._db.read(lambda conn: audit.page(conn, customer, before, size))

    async def forget_audits(self, before: int, limit: int) -> int:
        return await self._db.write(lambda conn: audit.drop_page(conn, before, limit), durable=True)

    @staticmethod
    def _note(conn: Connection, now: int, author: Author, name: str, what: str, before: Record | None, after: Record | None) -> None:
        register, thing = REGISTERS[name], after or before
        target = register.masks_id(thing.id) if thing else ""
        was, is_ = (shown(register, record.fields) if record else None for record in (before, after))
        audit.write(conn, now, author, f"{name}.{what}", target, was, is_)


def _seen(found: Record | None, tag: str | None) -> Record:
    """The thing, when it is as the caller saw it."""
    if found is None:
        raise Rejected("1404")
    if tag is not None and tag != found.tag:
        raise Rejected("1409")
    return found
