"""Sender numbers as their customers manage them, and what operators decide of them.

A number may be sent from when it stands in `sender_numbers`, which intake's snapshot holds; a claim says how it came there, or why not.
A number that `ims register` brought has no claim.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, select, update

from ims.adapters.sql import audit
from ims.adapters.sql.database import Database
from ims.adapters.sql.registry_tables import insert_ignored, number_claims, sender_numbers
from ims.errors import Rejected
from ims.ports.clock import Clock
from ims.ports.registers import Author, Record
from ims.rules.faults import Fault, Rejections
from ims.rules.registers import NUMBERS, shown

CLAIMED, APPROVED, REFUSED = "claimed", "approved", "refused"
LISTED_CLAIMS = 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """What waits for an operator."""

    customer: str
    number: str
    proof: str
    claimed_at: int


class NumberRegister:
    """ims.adapters.sql.registers.Kept."""

    def page(self, conn: Connection, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> list[Record]:
        numbers: set[str] = set()
        for table in (sender_numbers, number_claims):
            query = select(table.c.number).where(table.c.customer == customer, table.c.number > after)
            numbers |= set(conn.execute(query.order_by(table.c.number).limit(size)).scalars())
        return [record for number in sorted(numbers)[:size] if (record := self.find(conn, customer, number))]

    def find(self, conn: Connection, customer: str, id_: str) -> Record | None:
        c = number_claims.c
        query = select(c.state, c.proof, c.reason, c.claimed_at, c.decided_at).where(_mine(number_claims, customer, id_))
        claim = conn.execute(query).first()
        registered = conn.execute(select(sender_numbers.c.created_at).where(_mine(sender_numbers, customer, id_))).scalar()
        if claim is not None:
            state = claim.state if registered is None else APPROVED
            return Record(id_, {"number": id_, **claim._asdict(), "state": state})
        if registered is None:
            return None
        return Record(id_, {"number": id_, **_claimed(registered, ""), "state": APPROVED, "decided_at": registered})

    def count(self, conn: Connection, customer: str) -> int:
        query = select(func.count()).select_from(number_claims).where(number_claims.c.customer == customer)
        return int(conn.execute(query).scalar_one())

    def id_of(self, entry: Mapping[str, Any]) -> str:
        return str(entry["number"])

    def create(self, conn: Connection, now_ms: int, customer: str, entry: Mapping[str, Any], known: Record | None) -> Record:
        if known is not None:
            if known.fields["proof"] != entry["proof"]:
                raise Rejected("1409")
            return known
        row = _claimed(now_ms, entry["proof"])
        conn.execute(insert(number_claims), {"customer": customer, "number": entry["number"], "created_at": now_ms, **row})
        return Record(entry["number"], {"number": entry["number"], **row})

    def change(self, conn: Connection, now_ms: int, customer: str, known: Record, entry: Mapping[str, Any]) -> Record:
        if known.fields["state"] == APPROVED:
            ko, en = "승인된 번호의 증빙은 바꿀 수 없습니다.", "The proof of an approved number cannot be changed."
            raise Rejections([Fault("proof", "1400", ko, en)])
        if known.fields["proof"] == entry["proof"]:
            return known
        row = _claimed(now_ms, entry["proof"])
        conn.execute(update(number_claims).where(_mine(number_claims, customer, known.id)).values(row))
        return Record(known.id, {"number": known.id, **row})

    def remove(self, conn: Connection, customer: str, known: Record) -> None:
        for table in (sender_numbers, number_claims):
            conn.execute(delete(table).where(_mine(table, customer, known.id)))


class SqlNumberClaims:
    """What operators see and say of claims. A decision stands in the audit log of the customer."""

    def __init__(self, db: Database, write: Callable[[Callable[[Connection], Record]], Awaitable[Record]], now_ms: Clock) -> None:
        self._db = db
        self._write = write
        self._now_ms = now_ms
        self._register = NumberRegister()

    async def open(self, customer: str | None = None) -> list[Claim]:
        """Those that wait, the oldest first, a page of them."""
        c = number_claims.c
        query = select(c.customer, c.number, c.proof, c.claimed_at).where(c.state == CLAIMED)
        if customer is not None:
            query = query.where(c.customer == customer)
        query = query.order_by(c.claimed_at, c.customer, c.number).limit(LISTED_CLAIMS)
        return await self._db.read(lambda conn: [Claim(*row) for row in conn.execute(query)])

    async def proof_of(self, customer: str, number: str) -> str:
        """The file_key that the claim rests on. Rejected 1404."""
        found = await self._db.read(lambda conn: self._register.find(conn, customer, number))
        if found is None or not found.fields["proof"]:
            raise Rejected("1404", "number", "the customer has no such number, or it came without a proof")
        return str(found.fields["proof"])

    async def decide(self, customer: str, number: str, *, approved: bool, reason: str, proof: str, user: str) -> Record:
        """Approve or refuse it; refusing an approved number ends sending from it. `proof`: which file was looked at; empty: none.

        Rejected 1404, or 1409 when the claim rests on another file by now. Done again it changes nothing.
        """
        now = self._now_ms()

        def job(conn: Connection) -> Record:
            before = self._register.find(conn, customer, number)
            if before is None:
                raise Rejected("1404", "number", "the customer has no such number")
            if proof and proof != before.fields["proof"]:
                raise Rejected("1409", "proof", "the claim rests on another file by now")
            state = APPROVED if approved else REFUSED
            changes = (before.fields["state"], before.fields["reason"]) != (state, reason)
            row = {"state": state, "reason": reason, "decided_at": now if changes else before.fields["decided_at"]}
            claimed = {"customer": customer, "number": number, "created_at": now, **_claimed(before.fields["claimed_at"], "")}
            conn.execute(insert_ignored(number_claims), claimed)
            conn.execute(update(number_claims).where(_mine(number_claims, customer, number)).values(row))
            if approved:
                conn.execute(insert_ignored(sender_numbers), {"customer": customer, "number": number, "created_at": now})
            else:
                conn.execute(delete(sender_numbers).where(_mine(sender_numbers, customer, number)))
            after = Record(number, {**before.fields, **row})
            if changes:
                action, target = f"numbers.{'approve' if approved else 'refuse'}", NUMBERS.masks_id(number)
                was, is_ = shown(NUMBERS, before.fields), shown(NUMBERS, after.fields)
                audit.write(conn, now, Author(customer, user, ""), action, target, was, is_)
            return after

        return await self._write(job)


def _claimed(at_ms: int, proof: str) -> dict[str, Any]:
    return {"state": CLAIMED, "proof": proof, "reason": "", "claimed_at": at_ms, "decided_at": 0}


def _mine(table: Table, customer: str, number: str) -> ColumnElement[bool]:
    return and_(table.c.customer == customer, table.c.number == number)
