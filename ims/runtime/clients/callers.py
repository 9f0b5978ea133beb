"""Who calls, in the order in which it is checked: version, credential, service key, address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from ims.errors import Rejected
from ims.ports.registers import Author
from ims.ports.registry import Customer, Directory, Registry, ServiceKey
from ims.rules import credentials

VERSION = "version-1"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what IMS knows about them."""

    key: ServiceKey
    customer: Customer
    directory: Directory
    now_ms: int
    user: str = ""
    address: str = ""

    @property
    def author(self) -> Author:
        """As whom the audit log knows them."""
        return Author(self.customer.name, self.user, self.address)


class Reception(Protocol):
    """What is needed to know a caller."""

    @property
    def registry(self) -> Registry: ...

    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    async def customer_of(self, username: str) -> Customer | None:
        """Whose user this is; usernames are unique over all customers.

        Needed because a service key that is unknown and one of another customer must get the same answer (1100), while
        a wrong credential gets 1401 with either.
        """
        ...


async def asker_of(request: Request, ctx: Reception, service_key: str) -> Asker:
    """The caller, authenticated. A foreign key is answered as an unknown one is."""
    if request.headers.get("x-ims-version") != VERSION:
        raise Rejected("1402")
    pair = credentials.parse(request.headers.get("x-ims-key", ""))
    if pair is None:
        raise Rejected("1401")
    customer = await ctx.customer_of(pair[0])
    if not credentials.matches(customer, *pair) or customer is None:
        raise Rejected("1401")
    directory = await ctx.registry.directory()
    key = directory.service_key(service_key)
    if key is None or key.customer != customer.name:
        raise Rejected("1100")
    if not key.active:
        raise Rejected("1101")
    address = request.client.host if request.client else ""
    if not credentials.may_come_from(address, key.allowed_ips):
        raise Rejected("1403")
    return Asker(key, customer, directory, ctx.now(), pair[0], address)
