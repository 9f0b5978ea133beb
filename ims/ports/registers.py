"""The registers that customers manage themselves, and the audit log of what they changed.

Every register is read and written the same way: a thing has an id that is unique for its customer, and a tag that follows from
what it says. Whoever changes it names the tag that they saw, so of two changes at once one wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

_TAG_BYTES = 16
_deterministic = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and from where they asked."""

    customer: str  # whose things are changed
    user: str
    address: str  # IP address; empty: on the machine itself


@dataclass(frozen=True)
class Record:
    """A thing as it stands. Fields that end in `_at` are milliseconds, 0 for never. `id` empty: several things, told by their number."""

    id: str
    fields: Mapping[str, Any]

    @cached_property
    def tag(self) -> str:
        """The same for the same fields, another one as soon as anything differs."""
        return blake2b(_deterministic(self.fields), digest_size=_TAG_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Audited:
    """One change, as it is kept: masked."""

    number: int  # in the order of the changes
    at: int
    user: str
    address: str
    action: str  # register.what: numbers.create
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Registers(Protocol):
    """Reads and writes of registers by their names (ims.rules.registers).

    Everything is of one customer: another's things are answered as those that nobody has. A write is durable when it returns,
    stands in the audit log by the same transaction, and is in force in every process within five seconds.
    """

    async def page(self, register: str, customer: str, after: str, size: int, narrowed: Mapping[str, Any]) -> Sequence[Record]:
        """In the order of their ids, those after `after`."""
        ...

    async def find(self, register: str, customer: str, id_: str) -> Record | None:
        """As of now."""
        ...

    async def create(self, register: str, author: Author, entry: Mapping[str, Any]) -> Record:
        """The thing as it stands then. The same entry again changes nothing; Rejected 1409 when another one has its id,
        Rejections 1429 when the customer has as many as it may."""
        ...

    async def change(self, register: str, author: Author, id_: str, tag: str, entry: Mapping[str, Any]) -> Record:
        """Rejected 1404 when there is none, 1409 when it is not as `tag` saw it."""
        ...

    async def remove(self, register: str, author: Author, id_: str, tag: str | None) -> None:
        """Rejected 1404 when there is none, 1409 when a tag is given that it does not have."""
        ...

    async def audited(self, customer: str, before: int | None, size: int) -> Sequence[Audited]:
        """The customer's changes, the newest first, those before number `before`."""
        ...

    async def forget_audits(self, before: int, limit: int) -> int:
        """Drop entries that were written before then (milliseconds), so many at most; how many went."""
        ...
