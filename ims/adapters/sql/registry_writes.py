"""What a write of the registry does to the tables, inside one transaction that `SqlRegistry` opens."""

from __future__ import annotations

import secrets as chance
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update

from ims.adapters.sql.push_tokens import open_keys, seal_keys
from ims.adapters.sql.registry_snapshot import secret_context, service_key_of
from ims.adapters.sql.registry_tables import (
    approving_customers,
    callback_secrets,
    credentials,
    customer_rules,
    customers,
    demo_secrets,
    endpoints,
    insert_ignored,
    push_apps,
    rcs_brands,
    rcs_chatbots,
    sender_numbers,
    sender_profiles,
    sending_domains,
    service_keys,
    templates,
)
from ims.errors import Rejected
from ims.ports.push import ApnsKey, FcmKey, PushKeys
from ims.ports.registry import ServiceKey
from ims.protocol.sealing import Sealer
from ims.rules import law
from ims.rules.registration import (
    CustomerEntry,
    Problem,
    PushAppEntry,
    RegistrationFile,
    RegistrationRefused,
    ServiceKeyEntry,
    TemplateEntry,
)
from ims.rules.signing import new_secret

REGISTERED_OVERLAP_S = 86_400  # a secret replaced by a file lives on as long as one that was rotated


@dataclass(frozen=True, slots=True)
class Issued:
    """What registering one customer came to. A secret is here only when it was just made."""

    customer: str
    username: str
    service_keys: tuple[ServiceKey, ...]  # one for each entry of the file
    secret: str | None = field(default=None, repr=False)
    callback_secret: str | None = field(default=None, repr=False)


def register(conn: Connection, sealer: Sealer, now_ms: int, file: RegistrationFile) -> list[Issued]:
    """Add and update all that the file names; RegistrationRefused tells every clash with other customers at once."""
    problems = [problem for place, entry in enumerate(file.customers) for problem in _clashes(conn, place, entry)]
    if problems:
        raise RegistrationRefused(problems)
    return [_register_one(conn, sealer, now_ms, entry) for entry in file.customers]


def require_customer(conn: Connection, customer: str) -> None:
    """Rejected when there is no such customer."""
    if conn.execute(select(customers.c.name).where(customers.c.name == customer)).first() is None:
        raise Rejected("1404", "customer", "no such customer")


def add_key(conn: Connection, now_ms: int, customer: str, entry: ServiceKeyEntry) -> ServiceKey:
    """A new service key; its name is random unless the entry gives one."""
    row = {
        "key": entry.key or chance.token_hex(16),
        "customer": customer,
        "kind": str(entry.kind),
        "active": True,
        "allowed_ips": "\n".join(entry.allowed_ips or ()),
        "rate_per_s": entry.rate_per_s or 0,
        "daily_cap": entry.daily_cap or 0,
        "created_at": now_ms,
    }
    conn.execute(insert(service_keys), row)
    return _key(conn, row["key"])


def rotate_secret(conn: Connection, sealer: Sealer, now_ms: int, customer: str, *, username: str | None, overlap_s: int) -> tuple[str, str]:
    """A new secret for the user; the others expire when the overlap ends."""
    require_customer(conn, customer)
    names = set(conn.execute(select(credentials.c.username).where(credentials.c.customer == customer)).scalars())
    if username is None and len(names) > 1:
        raise Rejected("2020", "username", "the customer has several user names; name one")
    name = username if username is not None else next(iter(names), "")
    if name not in names:
        raise Rejected("1404", "username", "the customer has no such user name")
    secret = chance.token_urlsafe(32)
    _set_secret(conn, now_ms, customer, name, secret=secret, overlap_s=overlap_s)
    mine = and_(demo_secrets.c.customer == customer, demo_secrets.c.username == name)
    conn.execute(update(demo_secrets).where(mine).values(sealed=sealer.seal(secret.encode(), _demo(customer)), key_id=sealer.key_id))
    return name, secret


def new_callback_secret(conn: Connection, sealer: Sealer, now_ms: int, customer: str, overlap_s: int) -> str:
    """A new signing secret; the current one signs beside it until the overlap ends."""
    mine = callback_secrets.c.customer == customer
    _retire(conn, callback_secrets, mine, now_ms, overlap_s)
    secret, secret_id = new_secret(), chance.token_hex(8)
    sealed = sealer.seal(secret.encode(), secret_context(customer, secret_id))
    row = {"id": secret_id, "customer": customer, "sealed": sealed, "key_id": sealer.key_id, "expires_at": None, "created_at": now_ms}
    conn.execute(insert(callback_secrets), row)
    return secret


def demo_secret(conn: Connection, sealer: Sealer, customer: str) -> str | None:
    """The kept clear secret of a demo customer."""
    row = conn.execute(select(demo_secrets).where(demo_secrets.c.customer == customer)).first()
    return None if row is None else sealer.open(row.sealed, _demo(customer), row.key_id).decode()


def keep_demo_secret(conn: Connection, sealer: Sealer, now_ms: int, customer: str, username: str) -> str:
    """The kept secret, made now when there is none. It is kept before it is registered, so a crash between loses nothing."""
    kept = demo_secret(conn, sealer, customer)
    if kept is None:
        kept = chance.token_urlsafe(32)
        sealed = sealer.seal(kept.encode(), _demo(customer))
        row = {"customer": customer, "username": username, "sealed": sealed, "key_id": sealer.key_id, "created_at": now_ms}
        conn.execute(insert(demo_secrets), row)
    return kept


def _clashes(conn: Connection, place: int, entry: CustomerEntry) -> list[Problem]:
    at = f"customers[{place}]"
    problems = []
    owner = conn.execute(select(credentials.c.customer).where(credentials.c.username == entry.username)).scalar()
    if owner not in (None, entry.name):
        problems.append(Problem(f"{at}.username", "belongs to another customer"))
    for i, key in enumerate(entry.service_keys):
        row = key.key and conn.execute(select(service_keys).where(service_keys.c.key == key.key)).first()
        if row and row.customer != entry.name:
            problems.append(Problem(f"{at}.service_keys[{i}].key", "belongs to another customer"))
        elif row and row.kind != key.kind:
            problems.append(Problem(f"{at}.service_keys[{i}].kind", "a key keeps its kind; issue another key"))
    return problems


def _register_one(conn: Connection, sealer: Sealer, now_ms: int, entry: CustomerEntry) -> Issued:
    name = entry.name
    conn.execute(insert_ignored(customers), {"name": name, "created_at": now_ms})
    secret = _register_secret(conn, now_ms, entry)
    _register_endpoint(conn, now_ms, entry)
    unexpiring = (callback_secrets.c.customer == name) & callback_secrets.c.expires_at.is_(None)
    known = conn.execute(select(callback_secrets.c.id).where(unexpiring)).first()
    callback_secret = new_callback_secret(conn, sealer, now_ms, name, 0) if known is None else None
    if entry.night_ads is not None:
        _choose(conn, now_ms, name, law.NIGHT.id, entry.night_ads)
    if entry.consents is not None:
        _choose(conn, now_ms, name, law.CONSENT.id, entry.consents)
    for number in entry.sender_numbers:
        conn.execute(insert_ignored(sender_numbers), {"customer": name, "number": number, "created_at": now_ms})
    for sender_key in entry.sender_profiles:
        conn.execute(insert_ignored(sender_profiles), {"customer": name, "sender_key": sender_key, "created_at": now_ms})
    for domain in entry.sending_domains:
        conn.execute(insert_ignored(sending_domains), {"customer": name, "domain": domain, "created_at": now_ms})
    for brand in entry.rcs_brands:
        of_brand = {"customer": name, "brand_key": brand.brand_key, "created_at": now_ms}
        conn.execute(insert_ignored(rcs_brands), of_brand)
        for number in brand.chatbots:
            conn.execute(insert_ignored(rcs_chatbots), {**of_brand, "number": number})
    if entry.approves_campaigns is not None:
        conn.execute(delete(approving_customers).where(approving_customers.c.customer == name))
    if entry.approves_campaigns:
        conn.execute(insert(approving_customers), {"customer": name, "created_at": now_ms})
    for template in entry.templates:
        _register_template(conn, now_ms, name, template)
    for app in entry.push_apps:
        _register_app(conn, sealer, now_ms, name, app)
    return Issued(name, entry.username, _register_keys(conn, now_ms, entry), secret, callback_secret)


def _choose(conn: Connection, now_ms: int, customer: str, rule: str, choice: str) -> None:
    mine = and_(customer_rules.c.customer == customer, customer_rules.c.rule == rule)
    conn.execute(delete(customer_rules).where(mine))
    conn.execute(insert(customer_rules), {"customer": customer, "rule": rule, "choice": choice, "created_at": now_ms})


def _register_secret(conn: Connection, now_ms: int, entry: CustomerEntry) -> str | None:
    """The secret when it was generated here; one given in the file replaces the current one, with overlap."""
    unexpiring = and_(credentials.c.username == entry.username, credentials.c.live, credentials.c.expires_at.is_(None))
    current = {bytes(digest) for digest in conn.execute(select(credentials.c.digest).where(unexpiring)).scalars()}
    if entry.secret is not None:
        given = entry.secret.get_secret_value()
        if _digest(given) not in current:
            _set_secret(conn, now_ms, entry.name, entry.username, secret=given, overlap_s=REGISTERED_OVERLAP_S)
        return None
    if current:
        return None
    secret = chance.token_urlsafe(32)
    _set_secret(conn, now_ms, entry.name, entry.username, secret=secret, overlap_s=REGISTERED_OVERLAP_S)
    return secret


def _set_secret(conn: Connection, now_ms: int, customer: str, username: str, *, secret: str, overlap_s: int) -> None:
    mine = credentials.c.username == username
    _retire(conn, credentials, mine, now_ms, overlap_s)
    conn.execute(delete(credentials).where(mine, credentials.c.digest == _digest(secret)))  # an old one that comes back
    row = {"username": username, "digest": _digest(secret), "customer": customer, "live": True, "expires_at": None, "created_at": now_ms}
    conn.execute(insert(credentials), row)


def _retire(conn: Connection, table: Table, mine: ColumnElement[bool], now_ms: int, overlap_s: int) -> None:
    """The current secret expires when the overlap ends; what has expired is forgotten."""
    conn.execute(update(table).where(mine, table.c.expires_at.is_(None)).values(expires_at=now_ms + overlap_s * 1000))
    conn.execute(delete(table).where(mine, table.c.expires_at <= now_ms))


def _register_endpoint(conn: Connection, now_ms: int, entry: CustomerEntry) -> None:
    conn.execute(insert_ignored(endpoints), {"customer": entry.name, "url": "", "allowed": "", "created_at": now_ms})
    given: dict[str, str] = {}
    if entry.endpoint is not None:
        given["url"] = entry.endpoint
    if entry.callback_allowed is not None:
        given["allowed"] = "\n".join(entry.callback_allowed)
    if given:
        conn.execute(update(endpoints).where(endpoints.c.customer == entry.name).values(given))


def _register_template(conn: Connection, now_ms: int, customer: str, entry: TemplateEntry) -> None:
    row = {"customer": customer, "channel": entry.channel, "code": entry.code, "text": "", "category": "", "created_at": now_ms}
    conn.execute(insert_ignored(templates), row)
    given = {name: str(value) for name, value in (("text", entry.text), ("category", entry.category)) if value is not None}
    if given:
        mine = and_(templates.c.customer == customer, templates.c.channel == entry.channel, templates.c.code == entry.code)
        conn.execute(update(templates).where(mine).values(given))


def _register_app(conn: Connection, sealer: Sealer, now_ms: int, customer: str, entry: PushAppEntry) -> None:
    mine = and_(push_apps.c.customer == customer, push_apps.c.app_id == entry.app_id)
    row = conn.execute(select(push_apps.c.sealed, push_apps.c.key_id).where(mine)).first()
    kept = PushKeys() if row is None else open_keys(sealer, customer, entry.app_id, row.sealed, row.key_id)
    given, apple = entry.fcm, entry.apns
    keys = PushKeys(
        fcm=FcmKey(given.project_id, given.client_email, given.private_key.get_secret_value(), given.private_key_id) if given else kept.fcm,
        apns=ApnsKey(apple.team_id, apple.key_id, apple.private_key.get_secret_value(), apple.topic, apple.environment)
        if apple
        else kept.apns,
    )
    if row is not None and keys == kept:
        return
    values = {
        "fcm": keys.fcm is not None,
        "apns": keys.apns is not None,
        "sealed": seal_keys(sealer, customer, entry.app_id, keys),
        "key_id": sealer.key_id,
        "changed_at": now_ms,
    }
    if row is None:
        conn.execute(insert(push_apps), {"customer": customer, "app_id": entry.app_id, "created_at": now_ms, **values})
    else:
        conn.execute(update(push_apps).where(mine).values(values))


def _register_keys(conn: Connection, now_ms: int, entry: CustomerEntry) -> tuple[ServiceKey, ...]:
    """An entry without a key takes the customer's oldest key of its kind that no other entry names or took."""
    query = select(service_keys).where(service_keys.c.customer == entry.name).order_by(service_keys.c.created_at, service_keys.c.key)
    existing = {row.key: row.kind for row in conn.execute(query)}
    free = [key for key in existing if key not in {e.key for e in entry.service_keys}]
    registered = []
    for wanted in entry.service_keys:
        key = wanted.key or next((k for k in free if existing[k] == wanted.kind), None)
        if key is None or key not in existing:
            registered.append(add_key(conn, now_ms, entry.name, wanted))
            continue
        if key in free:
            free.remove(key)
        given: dict[str, int | str] = {}
        if wanted.rate_per_s is not None:
            given["rate_per_s"] = wanted.rate_per_s
        if wanted.daily_cap is not None:
            given["daily_cap"] = wanted.daily_cap
        if wanted.allowed_ips is not None:
            given["allowed_ips"] = "\n".join(wanted.allowed_ips)
        if given:
            conn.execute(update(service_keys).where(service_keys.c.key == key).values(given))
        registered.append(_key(conn, key))
    return tuple(registered)


def _key(conn: Connection, key: object) -> ServiceKey:
    return service_key_of(conn.execute(select(service_keys).where(service_keys.c.key == key)).one())


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _demo(customer: str) -> str:
    return f"demo_secret:{customer}"
