"""What IMS knows beforehand: customers, keys, sender numbers, profiles, templates, push apps, endpoints, stops, opt-outs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ims.lanes import Lane
from ims.ports.campaigns import Campaigns, Order
from ims.ports.consents import Consents
from ims.ports.push import PushApp, PushTokens
from ims.ports.registers import Registers


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """What a customer was issued to send with."""

    key: str
    customer: str
    kind: Lane
    active: bool
    allowed_ips: tuple[str, ...] = ()  # networks in CIDR form; empty: any
    rate_per_s: int = 0  # recipients; 0: no cap
    daily_cap: int = 0  # recipients a day in Asia/Seoul; 0: no cap


@dataclass(frozen=True, slots=True)
class Customer:
    """A client company, with what its requests are checked against."""

    name: str
    credentials: dict[str, tuple[bytes, ...]]  # username -> digests of its live secrets
    endpoint: str  # where results go unless a request says otherwise; empty: polling only
    callback_secrets: tuple[str, ...]  # whsec_...; two during rotation, the newest first
    callback_allowed: tuple[str, ...]  # prefixes of callback_url values; "loopback:*" allows any loopback URL
    choices: Mapping[str, str] = field(default_factory=dict)  # id of a rule (ims.rules.law) -> what the customer chose


@dataclass(frozen=True, slots=True)
class Template:
    """A registered template code."""

    code: str
    channel: str
    text: str = ""
    category: str = ""  # a lane: the template's category may lower the lane


class Directory(Protocol):
    """An immutable view of the registry, at most 5 seconds old."""

    def service_key(self, key: str) -> ServiceKey | None: ...

    def customer(self, name: str) -> Customer | None: ...

    def customer_of(self, username: str) -> Customer | None:
        """Whose user name this is; a user name with a live secret belongs to exactly one customer."""
        ...

    def owns_callback(self, customer: str, number: str) -> bool:
        """Whether the customer registered this sender number."""
        ...

    def owns_profile(self, customer: str, sender_key: str) -> bool: ...

    def owns_domain(self, customer: str, domain: str) -> bool:
        """Whether the customer registered this domain to send e-mail from."""
        ...

    def owns_brand(self, customer: str, brand_key: str) -> bool:
        """Whether the customer registered this RCS brand."""
        ...

    def owns_chatbot(self, customer: str, brand_key: str, number: str) -> bool:
        """Whether this sender number is a chatbot of the brand."""
        ...

    def template(self, customer: str, channel: str, code: str) -> Template | None: ...

    def push_app(self, customer: str, app_id: str) -> PushApp | None: ...

    def provider_stopped(self, family: str, provider: str) -> bool:
        """Whether an operator took it out of service for a family of channels."""
        ...

    def provider_weight(self, family: str, provider: str) -> int | None:
        """An operator's weight for it; none: as configured."""
        ...

    def campaign(self, customer: str, service_key: str, campaign_id: str) -> Order | None:
        """What is ordered of a campaign; none: it goes as its lane does."""
        ...

    def stopped(self, *, customer: str, template: str, sender: str, campaign: str) -> bool:
        """Whether an emergency stop covers such a message."""
        ...


class Registry(Protocol):
    """Reads of the registry."""

    @property
    def push_tokens(self) -> PushTokens: ...

    @property
    def consents(self) -> Consents: ...

    @property
    def campaigns(self) -> Campaigns: ...

    @property
    def registers(self) -> Registers: ...

    async def directory(self) -> Directory: ...

    async def add_opt_outs(self, customer: str, channel: str, recipients: Sequence[bytes]) -> int:
        """Have these recipients (keyed index) get nothing more of the customer on the channel; how many are new to it.

        Rejected 1404 when there is no such customer. Done again it changes nothing.
        """
        ...

    async def opted_out(self, customer: str, channel: str, recipients: Sequence[bytes]) -> set[bytes]:
        """Which of the recipients (keyed index) opted out; looked up at every call, never cached."""
        ...
