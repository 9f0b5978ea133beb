"""The registry on SQL: a cached snapshot for requests, a real query for opt-outs, and the writes of operators.

Every write is durable and raises the change counter in its own transaction, so every process sees it within
RECHECK_S while the database answers, and within KEPT_S in any case.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, select, update

from ims.adapters.sql import registry_writes as writes
from ims.adapters.sql.campaigns import SqlCampaigns
from ims.adapters.sql.consents import SqlConsents
from ims.adapters.sql.database import Database
from ims.adapters.sql.number_claims import SqlNumberClaims
from ims.adapters.sql.opted_out import among
from ims.adapters.sql.push_tokens import SqlPushTokens
from ims.adapters.sql.registers import SqlRegisters
from ims.adapters.sql.registry_snapshot import Snapshot, load, service_key_of
from ims.adapters.sql.registry_tables import (
    VALUE_CHARACTERS,
    bump,
    insert_ignored,
    opt_outs,
    provider_words,
    service_keys,
    stops,
    version,
)
from ims.errors import Rejected, Unavailable
from ims.lanes import Lane
from ims.ports.clock import Clock, system_clock
from ims.ports.registry import ServiceKey
from ims.protocol.sealing import Sealer
from ims.rules.registration import RegistrationFile, ServiceKeyEntry

T = TypeVar("T")

KEPT_S = 5.0  # design 2: registries are cached for at most 5 s
_RENEWED_S = 4.0  # whoever asks after that has it read again, and does not wait for it
RECHECK_S = 0.5  # how often the change counter is read, at most
OVERLAP_S = 86_400  # how long a rotated secret lives on unless the operator says otherwise: a guess, one working day
STOP_KINDS = ("customer", "template", "sender", "campaign")
_WALL_CLOCK = system_clock()


@dataclass(frozen=True, slots=True)
class Stop:
    """An emergency stop that is in force."""

    kind: str
    value: str
    customer: str  # whose messages; empty: everybody's
    since: int  # milliseconds


@dataclass(frozen=True, slots=True)
class OptOuts:
    """How many recipients of a customer opted out on a channel."""

    customer: str
    channel: str
    count: int
    first_at: int  # milliseconds
    last_at: int


class SqlRegistry:
    """ims.ports.registry.Registry, with its writes. One per process and running loop."""

    def __init__(
        self, db: Database, sealer: Sealer, *, now_ms: Clock = _WALL_CLOCK, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._now_ms = now_ms
        self.push_tokens = SqlPushTokens(db, sealer, now_ms)
        self.consents = SqlConsents(db, now_ms)
        self.campaigns = SqlCampaigns(db, self._write, now_ms)
        self.registers = SqlRegisters(db, self._write, sealer.index, now_ms)
        self.number_claims = SqlNumberClaims(db, self._write, now_ms)
        self._monotonic = monotonic
        self._snapshot: Snapshot | None = None
        self._loaded_at = self._checked_at = float("-inf")
        self._refreshing: asyncio.Task[Snapshot] | None = None

    # --- reads

    async def directory(self) -> Snapshot:
        """The snapshot, at most KEPT_S old. Concurrent callers share one load."""
        now = self._monotonic()
        if self._snapshot is not None and now - self._loaded_at < KEPT_S and now - self._checked_at < RECHECK_S:
            if now - self._loaded_at >= _RENEWED_S and self._refreshing is None:
                self._begin(self._load(now))
            return self._snapshot
        return await asyncio.shield(self._refreshing or self._begin(self._refresh(now)))  # who gives up must not take it from the others

    def _begin(self, work: Coroutine[None, None, Snapshot]) -> asyncio.Task[Snapshot]:
        self._refreshing = asyncio.create_task(work)
        self._refreshing.add_done_callback(self._refreshed)
        return self._refreshing

    async def opted_out(self, customer: str, channel: str, recipients: Sequence[bytes]) -> set[bytes]:
        """Which of the recipients opted out, as of now."""
        wanted = list(dict.fromkeys(recipients))
        return await self._db.read(lambda conn: among(conn, customer, channel, wanted), few=True) if wanted else set()

    def index(self, number: str) -> bytes:
        """The keyed index of a normalised number or address."""
        return self._sealer.index(number)

    # --- customers and their secrets

    async def register(self, file: RegistrationFile) -> list[writes.Issued]:
        """Bring the registry to what the file says; the same file again changes nothing. Secrets are returned this once."""
        return await self._write(lambda conn: writes.register(conn, self._sealer, self._now_ms(), file))

    async def issue_key(
        self, customer: str, kind: Lane, *, rate_per_s: int = 0, daily_cap: int = 0, allowed_ips: Sequence[str] = ()
    ) -> ServiceKey:
        """A new service key."""
        try:
            entry = ServiceKeyEntry(kind=kind, rate_per_s=rate_per_s, daily_cap=daily_cap, allowed_ips=list(allowed_ips))
        except ValidationError as exc:
            raise Rejected("1400", str(exc.errors()[0]["loc"][0]), exc.errors()[0]["msg"]) from None

        def job(conn: Connection) -> ServiceKey:
            writes.require_customer(conn, customer)
            return writes.add_key(conn, self._now_ms(), customer, entry)

        return await self._write(job)

    async def rotate_secret(self, customer: str, username: str | None = None, overlap_s: int = OVERLAP_S) -> tuple[str, str]:
        """(username, new secret). The old one lives on for the overlap. Without a username: the customer's only one."""
        return await self._write(
            lambda conn: writes.rotate_secret(conn, self._sealer, self._now_ms(), customer, username=username, overlap_s=overlap_s)
        )

    async def rotate_callback_secret(self, customer: str, overlap_s: int = OVERLAP_S) -> str:
        """A new signing secret; for the overlap results are signed with both."""

        def job(conn: Connection) -> str:
            writes.require_customer(conn, customer)
            return writes.new_callback_secret(conn, self._sealer, self._now_ms(), customer, overlap_s)

        return await self._write(job)

    async def stop_key(self, customer: str, key: str) -> None:
        """Refuse the key from now on, everywhere within KEPT_S."""
        await self._set_active(customer, key, False)

    async def start_key(self, customer: str, key: str) -> None:
        """Take a stopped key into service again."""
        await self._set_active(customer, key, True)

    async def list_keys(self, customer: str | None = None) -> list[ServiceKey]:
        """The keys of a customer, or of all, the oldest first."""
        query = select(service_keys).order_by(service_keys.c.customer, service_keys.c.created_at, service_keys.c.key)
        if customer is not None:
            query = query.where(service_keys.c.customer == customer)
        return await self._db.read(lambda conn: [service_key_of(row) for row in conn.execute(query)])

    # --- opt-outs

    async def add_opt_outs(self, customer: str, channel: str, recipients: Sequence[bytes]) -> int:
        """How many were added: those who had opted out before keep their date."""
        now = self._now_ms()
        rows = [{"customer": customer, "channel": channel, "recipient": r, "created_at": now} for r in dict.fromkeys(recipients)]

        def job(conn: Connection) -> int:
            writes.require_customer(conn, customer)
            return sum(conn.execute(insert_ignored(opt_outs), row).rowcount for row in rows)

        return await self._write(job)

    async def remove_opt_outs(self, customer: str, channel: str, recipients: Sequence[bytes]) -> int:
        """How many were removed."""
        mine = (opt_outs.c.customer == customer) & (opt_outs.c.channel == channel)

        def job(conn: Connection) -> int:
            writes.require_customer(conn, customer)
            return sum(conn.execute(delete(opt_outs).where(mine, opt_outs.c.recipient == r)).rowcount for r in dict.fromkeys(recipients))

        return await self._write(job)

    async def list_opt_outs(self, customer: str | None = None) -> list[OptOuts]:
        """Counts and dates; whose numbers they are is not known here."""
        at = opt_outs.c.created_at
        query = select(opt_outs.c.customer, opt_outs.c.channel, func.count(), func.min(at), func.max(at))
        query = query.group_by(opt_outs.c.customer, opt_outs.c.channel).order_by(opt_outs.c.customer, opt_outs.c.channel)
        if customer is not None:
            query = query.where(opt_outs.c.customer == customer)
        return await self._db.read(lambda conn: [OptOuts(*row) for row in conn.execute(query)])

    # --- providers

    async def say_of_provider(self, family: str, provider: str, *, stopped: bool | None = None, weight: int | None = None) -> None:
        """An operator's word over a provider: what is not given stays as it was said. In force everywhere within 5 seconds."""
        now = self._now_ms()
        same = (provider_words.c.family == family) & (provider_words.c.provider == provider)
        given = {name: value for name, value in (("stopped", stopped), ("weight", weight)) if value is not None}

        def write(conn: Connection) -> None:
            row = {"family": family, "provider": provider, "stopped": False, "weight": None, "created_at": now}
            conn.execute(insert_ignored(provider_words), row)
            if given:
                conn.execute(update(provider_words).where(same).values(**given))

        await self._write(write)

    async def forget_word_of_provider(self, family: str, provider: str) -> None:
        """The provider is as it is configured again."""
        same = (provider_words.c.family == family) & (provider_words.c.provider == provider)

        await self._write(lambda conn: conn.execute(delete(provider_words).where(same)))

    # --- emergency stops

    async def put_stop(self, kind: str, value: str, customer: str = "") -> None:
        """Stop what was accepted and is not yet sent, and what comes. `customer` narrows it to one customer's messages."""
        row = {**_stop_key(kind, value, customer), "since": self._now_ms(), "created_at": self._now_ms()}

        def job(conn: Connection) -> None:
            if owner := (value if kind == "customer" else customer):
                writes.require_customer(conn, owner)
            conn.execute(insert_ignored(stops), row)

        await self._write(job)

    async def lift_stop(self, kind: str, value: str, customer: str = "") -> bool:
        """Whether there was such a stop."""
        row = _stop_key(kind, value, customer)
        same = (stops.c.customer == row["customer"]) & (stops.c.kind == kind) & (stops.c.value == value)
        return await self._write(lambda conn: conn.execute(delete(stops).where(same)).rowcount > 0)

    async def list_stops(self) -> list[Stop]:
        """What is stopped, the oldest first."""
        query = select(stops.c.kind, stops.c.value, stops.c.customer, stops.c.since).order_by(stops.c.since)
        return await self._db.read(lambda conn: [Stop(*row) for row in conn.execute(query)])

    # --- demo customers

    async def demo_secret(self, customer: str, username: str) -> str:
        """The clear secret of a demo customer, made at the first call and kept sealed: `ims up` prints it again."""
        kept = await self._db.read(lambda conn: writes.demo_secret(conn, self._sealer, customer))
        if kept is None:
            kept = await self._write(lambda conn: writes.keep_demo_secret(conn, self._sealer, self._now_ms(), customer, username))
        return kept

    # --- inside

    async def _set_active(self, customer: str, key: str, active: bool) -> None:
        mine = (service_keys.c.customer == customer) & (service_keys.c.key == key)

        def job(conn: Connection) -> None:
            if conn.execute(update(service_keys).where(mine).values(active=active)).rowcount == 0:
                raise Rejected("1100", "key", "no such service key")

        await self._write(job)

    async def _write(self, job: Callable[[Connection], T]) -> T:
        def counted(conn: Connection) -> T:
            bump(conn)  # first: on a server its row lock lets one writer of the registry at a time
            return job(conn)

        result = await self._db.write(counted, durable=True)
        self._checked_at = float("-inf")  # the writer itself looks at once
        return result

    async def _refresh(self, now: float) -> Snapshot:
        kept = self._snapshot
        if kept is not None and now - self._loaded_at < KEPT_S:
            try:
                newest = await self._db.read(version, few=True)
            except Unavailable:
                return kept  # still within its time; the next caller asks again
            if newest == kept.version:
                self._checked_at = now
                return kept
        return await self._load(now)

    async def _load(self, now: float) -> Snapshot:
        loaded = await self._db.read(lambda conn: load(conn, self._sealer, self._now_ms()))
        # The times of the beginning: what was written while it was read may be missing in it.
        self._snapshot, self._loaded_at, self._checked_at = loaded, now, now
        return loaded

    def _refreshed(self, task: asyncio.Task[Snapshot]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # seen, even when every caller has gone


def _stop_key(kind: str, value: str, customer: str) -> dict[str, str]:
    if kind not in STOP_KINDS or not 0 < len(value) <= VALUE_CHARACTERS:
        raise Rejected("1400", "kind", f"a stop names one of {', '.join(STOP_KINDS)}")
    return {"customer": "" if kind == "customer" else customer, "kind": kind, "value": value}
