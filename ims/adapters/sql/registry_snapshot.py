"""The registry as one immutable value: every look-up of a request is a dictionary look-up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, or_, select

from ims.adapters.sql.registry_tables import (
    approving_customers,
    callback_secrets,
    campaigns,
    credentials,
    customer_rules,
    customers,
    endpoints,
    provider_words,
    push_apps,
    rcs_brands,
    rcs_chatbots,
    sender_numbers,
    sender_profiles,
    sending_domains,
    service_keys,
    stops,
    templates,
    version,
)
from ims.errors import Misconfigured, Poison
from ims.lanes import Lane
from ims.ports.campaigns import Order, State
from ims.ports.push import PushApp
from ims.ports.registry import Customer, ServiceKey, Template
from ims.protocol.sealing import Sealer
from ims.rules.campaigns import RESERVED_MS

ORDERED_MS = RESERVED_MS + 2 * 86_400_000  # an order is in force as long as a message may wait: until its time, then a day
LIVE_SECRETS = 2  # contract 2: two live callback secrets during rotation
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """ims.ports.registry.Directory as of one version. Nobody changes the dictionaries after it is made."""

    version: int
    keys: dict[str, ServiceKey]
    customers: dict[str, Customer]
    users: dict[str, str]  # user name -> customer
    numbers: frozenset[tuple[str, str]]
    profiles: frozenset[tuple[str, str]]
    domains: frozenset[tuple[str, str]]
    templates: dict[tuple[str, str, str], Template]
    stops: frozenset[tuple[str, str, str]]  # customer or "", kind, value
    push_apps: dict[tuple[str, str], PushApp]
    provider_words: dict[tuple[str, str], tuple[bool, int | None]]  # (family, provider) -> stopped, weight
    brands: frozenset[tuple[str, str]]  # of RCS
    chatbots: frozenset[tuple[str, str, str]]  # customer, brand, number
    approving: frozenset[str]  # customers whose campaigns wait for an approval
    orders: dict[tuple[str, str], tuple[str, int, bool]]  # (service key, campaign_id) -> state, pace, approved

    def service_key(self, key: str) -> ServiceKey | None:
        return self.keys.get(key)

    def customer(self, name: str) -> Customer | None:
        return self.customers.get(name)

    def customer_of(self, username: str) -> Customer | None:
        return self.customers.get(self.users.get(username, ""))

    def owns_callback(self, customer: str, number: str) -> bool:
        return (customer, number) in self.numbers

    def owns_domain(self, customer: str, domain: str) -> bool:
        return (customer, domain) in self.domains

    def owns_profile(self, customer: str, sender_key: str) -> bool:
        return (customer, sender_key) in self.profiles

    def owns_brand(self, customer: str, brand_key: str) -> bool:
        return (customer, brand_key) in self.brands

    def owns_chatbot(self, customer: str, brand_key: str, number: str) -> bool:
        return (customer, brand_key, number) in self.chatbots

    def template(self, customer: str, channel: str, code: str) -> Template | None:
        return self.templates.get((customer, channel, code))

    def push_app(self, customer: str, app_id: str) -> PushApp | None:
        return self.push_apps.get((customer, app_id))

    def provider_stopped(self, family: str, provider: str) -> bool:
        return self.provider_words.get((family, provider), (False, None))[0]

    def provider_weight(self, family: str, provider: str) -> int | None:
        return self.provider_words.get((family, provider), (False, None))[1]

    def campaign(self, customer: str, service_key: str, campaign_id: str) -> Order | None:
        if not campaign_id or not (self.orders or self.approving):
            return None
        state, pace_per_s, approved = self.orders.get((service_key, campaign_id), (State.RUNNING, 0, False))
        if state == State.RUNNING and customer in self.approving and not approved:
            return Order(State.WAITING, pace_per_s)
        return None if state == State.RUNNING and not pace_per_s else Order(State(state), pace_per_s)

    def stopped(self, *, customer: str, template: str, sender: str, campaign: str) -> bool:
        if not self.stops:
            return False
        return any(
            (owner, kind, value) in self.stops
            for kind, value in (("customer", customer), ("template", template), ("sender", sender), ("campaign", campaign))
            for owner in ("", customer)
        )


def load(conn: Connection, sealer: Sealer, now_ms: int) -> Snapshot:
    """The whole registry. Read again when somebody wrote meanwhile, so that no half of a registration is ever seen."""
    before = version(conn)
    for _ in range(_TRIES):
        snapshot = _read(conn, sealer, now_ms, before)
        after = version(conn)
        if after == before:
            return snapshot
        before = after
    return snapshot  # written to without a pause; its version is old, so the next look reloads it


def service_key_of(row: Any) -> ServiceKey:
    """A row of service_keys as the port's value."""
    ips = tuple(row.allowed_ips.split())
    return ServiceKey(row.key, row.customer, Lane(row.kind), bool(row.active), ips, row.rate_per_s, row.daily_cap)


def secret_context(customer: str, secret_id: str) -> str:
    """What a callback secret is sealed to: moved to another customer's row it does not open."""
    return f"callback_secret:{customer}:{secret_id}"


def _read(conn: Connection, sealer: Sealer, now_ms: int, at_version: int) -> Snapshot:
    digests: dict[str, dict[str, tuple[bytes, ...]]] = defaultdict(dict)
    for row in conn.execute(_alive(credentials, now_ms).where(credentials.c.live)):
        users = digests[row.customer]
        users[row.username] = (*users.get(row.username, ()), bytes(row.digest))
    secrets: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(_alive(callback_secrets, now_ms)):
        if len(secrets[row.customer]) < LIVE_SECRETS:
            secrets[row.customer].append(_open(sealer, row))
    chosen: dict[str, dict[str, str]] = defaultdict(dict)
    for row in conn.execute(select(customer_rules)):
        chosen[row.customer][row.rule] = row.choice
    where = {row.customer: (row.url, tuple(row.allowed.split())) for row in conn.execute(select(endpoints))}
    return Snapshot(
        version=at_version,
        keys={row.key: service_key_of(row) for row in conn.execute(select(service_keys))},
        customers={
            name: Customer(name, dict(digests[name]), *_endpoint(where, name, tuple(secrets[name])), chosen[name])
            for name in conn.execute(select(customers.c.name)).scalars()
        },
        users={username: name for name, users in digests.items() for username in users},
        numbers=_pairs(conn, sender_numbers, "number"),
        profiles=_pairs(conn, sender_profiles, "sender_key"),
        domains=_pairs(conn, sending_domains, "domain"),
        templates={
            (row.customer, row.channel, row.code): Template(row.code, row.channel, row.text, row.category)
            for row in conn.execute(select(templates))
        },
        stops=frozenset((row.customer, row.kind, row.value) for row in conn.execute(select(stops))),
        provider_words={
            (row.family, row.provider): (bool(row.stopped), None if row.weight is None else int(row.weight))
            for row in conn.execute(select(provider_words))
        },
        brands=_pairs(conn, rcs_brands, "brand_key"),
        approving=frozenset(conn.execute(select(approving_customers.c.customer)).scalars()),
        orders={
            (row.service_key, row.campaign_id): (row.state, row.pace_per_s, bool(row.approved_by))
            for row in conn.execute(select(campaigns).where(campaigns.c.changed_at > now_ms - ORDERED_MS))
        },
        chatbots=frozenset((row.customer, row.brand_key, row.number) for row in conn.execute(select(rcs_chatbots))),
        push_apps={
            (row.customer, row.app_id): PushApp(row.app_id, bool(row.fcm), bool(row.apns))
            for row in conn.execute(select(push_apps.c.customer, push_apps.c.app_id, push_apps.c.fcm, push_apps.c.apns))
        },
    )


def _alive(table: Table, now_ms: int) -> Any:
    """Rows that are not past their overlap, the newest first."""
    alive = or_(table.c.expires_at.is_(None), table.c.expires_at > now_ms)
    return select(table).where(alive).order_by(table.c.expires_at.is_not(None), table.c.created_at.desc(), table.c.expires_at.desc())


def _pairs(conn: Connection, table: Table, column: str) -> frozenset[tuple[str, str]]:
    return frozenset((row[0], row[1]) for row in conn.execute(select(table.c.customer, table.c[column])))


def _endpoint(
    where: dict[str, tuple[str, tuple[str, ...]]], name: str, secrets: tuple[str, ...]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    url, allowed = where.get(name, ("", ()))
    return url, secrets, allowed


def _open(sealer: Sealer, row: Any) -> str:
    try:
        return sealer.open(row.sealed, secret_context(row.customer, row.id), row.key_id).decode()
    except Poison as exc:
        raise Misconfigured(f"IMS_KEYS does not open a callback secret of the registry: {exc}") from exc
