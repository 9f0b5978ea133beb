"""Push tokens on SQL: looked up before every call, registered by apps, retired by what their services say.

Sealed at rest, found by keyed index. Writes leave the registry's change counter alone, since no snapshot holds a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, update

from ims.adapters.sql.database import Database
from ims.adapters.sql.registry_tables import push_apps, push_tokens
from ims.adapters.sql.statements import Statement, padded, places
from ims.errors import Rejected
from ims.ports.clock import Clock
from ims.ports.push import MOST_LIVE, MOST_WRITTEN, Consents, NewToken, PushKeys, PushToken, Retirement
from ims.protocol.sealing import Sealer

SURPLUS = "surplus"  # retired because its user has newer ones
REMOVED = "removed"  # retired because its app said so
_T = push_tokens.c
_COLUMNS = (
    "token", "owner", "platform", "notification", "notification_at", "ad", "ad_at", "night_ad", "night_ad_at",
    "registered_at", "seen_at", "retired_code", "sealed", "key_id",
)  # fmt: skip
_KEYS = msgspec.json.Decoder(PushKeys)


class SqlPushTokens:
    """ims.ports.push.PushTokens, with the writes of apps and operators."""

    def __init__(self, db: Database, sealer: Sealer, now_ms: Clock) -> None:
        self._db = db
        self._sealer = sealer
        self._now_ms = now_ms

    async def live_of(self, customer: str, app_id: str, users: Sequence[bytes]) -> list[PushToken]:
        """As the port says."""
        wanted = [u for u in dict.fromkeys(users) if u]
        if not wanted:
            return []
        rows = await self._db.read(lambda conn: found(conn, by_owner, customer, app_id, wanted))
        by_user: dict[bytes, list[PushToken]] = {}
        for row in rows:
            live = by_user.setdefault(bytes(row[1]), [])
            if len(live) < MOST_LIVE:
                live.append(self._clear(customer, app_id, row))
        return [token for live in by_user.values() for token in live]

    async def known(self, customer: str, app_id: str, tokens: Sequence[bytes]) -> list[PushToken]:
        """As the port says."""
        wanted = list(dict.fromkeys(tokens))
        if not wanted:
            return []
        return [_token(row) for row in await self._db.read(lambda conn: found(conn, by_token, customer, app_id, wanted))]

    async def retire(self, customer: str, app_id: str, dead: Sequence[Retirement]) -> int:
        """As the port says."""
        now = self._now_ms()
        if not dead:
            return 0
        return await self._db.write(
            lambda conn: sum(_retire(conn, customer, app_id, d.digest, d.code, now, d.before) for d in dead), durable=True
        )

    async def keys(self, customer: str, app_id: str) -> PushKeys:
        """The signing keys of an app's services, opened; none where the app is not registered."""
        mine = (push_apps.c.customer == customer) & (push_apps.c.app_id == app_id)
        row = await self._db.read(lambda conn: conn.execute(select(push_apps.c.sealed, push_apps.c.key_id).where(mine)).first())
        if row is None:
            return PushKeys()
        return open_keys(self._sealer, customer, app_id, row.sealed, row.key_id)

    async def register(self, customer: str, app_id: str, tokens: Sequence[NewToken]) -> int:
        """Add or renew tokens, at most MOST_WRITTEN; how many are new. A dead one that is registered again lives again."""
        if len(tokens) > MOST_WRITTEN:
            raise ValueError("too many tokens for one write")
        now = self._now_ms()

        def job(conn: Connection) -> int:
            require_app(conn, customer, app_id)
            new = sum(self._put(conn, customer, app_id, token, now) for token in tokens)
            for user in {self._sealer.index(t.app_user_id) for t in tokens if t.app_user_id}:
                _bound(conn, customer, app_id, user, now)
            return new

        return await self._db.write(job, durable=True)

    async def remove(self, customer: str, app_id: str, tokens: Sequence[str]) -> int:
        """Retire tokens that their app takes back (sign-out); how many were live."""
        now = self._now_ms()

        def job(conn: Connection) -> int:
            require_app(conn, customer, app_id)
            return sum(_retire(conn, customer, app_id, self._sealer.index(token), REMOVED, now, now) for token in tokens)

        return await self._db.write(job, durable=True)

    async def of_user(self, customer: str, app_id: str, app_user_id: str) -> list[PushToken]:
        """A user's tokens, live and dead, clear, the last seen first; at most 100."""
        mine = _mine(customer, app_id) & (_T.owner == self._sealer.index(app_user_id))
        query = select(*(_T[c] for c in _COLUMNS)).where(mine).order_by(_T.retired_at, _T.seen_at.desc()).limit(100)
        rows = await self._db.read(lambda conn: [tuple(row) for row in conn.execute(query)])
        return [self._clear(customer, app_id, row) for row in rows]

    async def count(self, customer: str) -> list[tuple[str, str, str, int]]:
        """(app_id, platform, why dead or empty, how many)."""
        group = (_T.app_id, _T.platform, _T.retired_code)
        query = select(*group, func.count()).where(_T.customer == customer).group_by(*group).order_by(*group)
        return await self._db.read(lambda conn: [(str(a), str(p), str(r), int(n)) for a, p, r, n in conn.execute(query)])

    # --- inside

    def _clear(self, customer: str, app_id: str, row: tuple[Any, ...]) -> PushToken:
        read = _token(row)
        opened = self._sealer.open(row[12], _context(customer, app_id, read.digest), row[13])
        token, user = msgspec.json.decode(opened, type=tuple[str, str])
        return read._replace(token=token, app_user_id=user)

    def _put(self, conn: Connection, customer: str, app_id: str, given: NewToken, now: int) -> bool:
        index = self._sealer.index(given.token)
        mine = _mine(customer, app_id) & (_T.token == index)
        before = conn.execute(select(*(_T[c] for c in _COLUMNS)).where(mine).with_for_update()).first()
        consents = (_token(tuple(before)).consents if before else Consents())._asdict()
        for name, value in (("notification", given.notification), ("ad", given.ad), ("night_ad", given.night_ad)):
            if value is not None and (before is None or value != consents[name] or not consents[f"{name}_at"]):
                consents |= {name: value, f"{name}_at": now}
        row = {
            "owner": self._sealer.index(given.app_user_id) if given.app_user_id else b"",
            "platform": given.platform,
            "sealed": self._sealer.seal(msgspec.json.encode((given.token, given.app_user_id)), _context(customer, app_id, index)),
            "key_id": self._sealer.key_id,
            **consents,
            "registered_at": now,
            "seen_at": now,
            "retired_at": 0,
            "retired_code": "",
        }
        if before is not None:
            conn.execute(update(push_tokens).where(mine).values(row))
            return False
        conn.execute(insert(push_tokens), {"customer": customer, "app_id": app_id, "token": index, "created_at": now, **row})
        return True


def seal_keys(sealer: Sealer, customer: str, app_id: str, keys: PushKeys) -> bytes:
    """An app's keys as they lie in its row: moved to another app's row they do not open."""
    return sealer.seal(msgspec.json.encode(keys), f"push_app:{customer}:{app_id}")


def open_keys(sealer: Sealer, customer: str, app_id: str, sealed: bytes, key_id: str) -> PushKeys:
    """The reverse of `seal_keys`."""
    return _KEYS.decode(sealer.open(sealed, f"push_app:{customer}:{app_id}", key_id))


def require_app(conn: Connection, customer: str, app_id: str) -> None:
    """Rejected when the customer has no such app."""
    if conn.execute(select(push_apps.c.app_id).where(push_apps.c.customer == customer, push_apps.c.app_id == app_id)).first() is None:
        raise Rejected("1404", "app", "the customer has no such app")


def _context(customer: str, app_id: str, index: bytes) -> str:
    return f"push_token:{customer}:{app_id}:{index.hex()}"


def _mine(customer: str, app_id: str) -> Any:
    return (_T.customer == customer) & (_T.app_id == app_id)


def _token(row: tuple[Any, ...]) -> PushToken:
    consents = Consents(bool(row[3]), row[4], bool(row[5]), row[6], bool(row[7]), row[8])
    return PushToken(bytes(row[0]), bytes(row[1]), row[2], consents, row[9], row[10], row[11])


def found(
    conn: Connection, statement: Callable[[int], Statement], customer: str, app_id: str, wanted: Sequence[bytes]
) -> list[tuple[Any, ...]]:
    """What a statement finds of these, in portions, each once."""
    rows: dict[bytes, tuple[Any, ...]] = {}
    for size, values in padded(wanted):
        for row in statement(size).all(conn, customer, app_id, *values):
            rows.setdefault(bytes(row[0]), row)
    return list(rows.values())


@cache
def by_owner(size: int) -> Statement:
    """Live tokens of so many users: registering keeps each of them at MOST_LIVE."""
    names, binds = places(size)
    query = select(*(_T[c] for c in _COLUMNS)).where(
        _T.customer == bindparam("who"), _T.app_id == bindparam("app"), _T.owner.in_(binds), _T.retired_at == literal_column("0")
    )
    return Statement(query.order_by(_T.owner, _T.seen_at.desc(), _T.token), ("who", "app", *names))


@cache
def by_token(size: int) -> Statement:
    """So many tokens."""
    names, binds = places(size)
    query = select(*(_T[c] for c in _COLUMNS)).where(_T.customer == bindparam("who"), _T.app_id == bindparam("app"), _T.token.in_(binds))
    return Statement(query, ("who", "app", *names))


def _retire(conn: Connection, customer: str, app_id: str, index: bytes, code: str, now: int, before: int) -> int:
    mine = _mine(customer, app_id) & (_T.token == index) & (_T.retired_at == 0) & (_T.registered_at <= before)
    return conn.execute(update(push_tokens).where(mine).values(retired_at=now, retired_code=code)).rowcount


def _bound(conn: Connection, customer: str, app_id: str, user: bytes, now: int) -> None:
    """Retire what a user has live beyond MOST_LIVE, those seen longest ago first."""
    mine = _mine(customer, app_id) & (_T.owner == user) & (_T.retired_at == 0)
    live = list(conn.execute(select(_T.token).where(mine).order_by(_T.seen_at.desc(), _T.created_at.desc(), _T.token)).scalars())
    for index in live[MOST_LIVE:]:
        _retire(conn, customer, app_id, bytes(index), SURPLUS, now, now)
