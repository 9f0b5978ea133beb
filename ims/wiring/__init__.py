"""The one place that knows every adapter: a context from settings. Nothing connects before it is used."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ims.adapters.http.guarded import GuardedClient
from ims.adapters.sql.campaigns import SqlProgresses
from ims.adapters.sql.database import Database
from ims.adapters.sql.histories import SqlHistories
from ims.adapters.sql.lane_store import LaneStore
from ims.adapters.sql.queries import SqlDue, SqlResults
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.retention import SqlRetention
from ims.adapters.sql.uploads import SqlUploads
from ims.config import Settings
from ims.errors import Misconfigured
from ims.ports.clock import Clock, system_clock
from ims.ports.log import Reader
from ims.protocol.envelope import Envelopes
from ims.protocol.ids import Tracker
from ims.protocol.sealing import Sealer
from ims.runtime import pools
from ims.runtime.attachments import Attached
from ims.runtime.context import Context, Timing
from ims.runtime.tracing import Tracer
from ims.topics import SendType
from ims.wiring.providers import providers, reports_come
from ims.wiring.stores import Stores

__all__ = ["build", "close", "open_registry", "reader_of", "store_of"]


def build(settings: Settings, name: str, *, with_providers: bool = True) -> Context:
    """The context of one process, of the profile that the settings choose."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    ring = settings.keyring()
    sealer = Sealer(ring)
    clock = system_clock(settings.clock_offset_s)
    envelopes = Envelopes(sealer, name)
    stores = _stores(settings, name, envelopes, clock)
    registry = SqlRegistry(stores.registry, sealer, now_ms=clock)
    attached = Attached(
        stores.files,
        SqlUploads(stores.registry),
        sealer,
        clock,
        days=settings.files_days,
        most_bytes=settings.files_most_mib * 1024 * 1024,
    )
    made = providers(settings, registry.push_tokens.keys, attached, clock) if with_providers else {}
    caller = GuardedClient(settings.callback_allow_loopback, settings.callback_timeout_s)
    ctx = Context(
        name=f"{name}-{secrets.token_hex(4)}",
        clock=clock,
        journal=stores.journal,
        acceptance=stores.acceptance,
        due=SqlDue(stores.lanes.lanes),
        retention=SqlRetention(stores.lanes, stores.aging),
        results=SqlResults(stores.lanes.lanes),
        progresses=SqlProgresses(stores.lanes.lanes),
        histories=SqlHistories(stores.lanes.lanes),
        registry=registry,
        shared=stores.shared,
        traces=stores.traces,
        envelopes=envelopes,
        sealer=sealer,
        tracker=Tracker(ring.tag),
        timing=Timing(
            report_deadline_s={t: getattr(settings, f"report_deadline_{t.lower()}_s") for t in SendType},
            callback_retry_unit_s=settings.callback_retry_unit_s,
            park_s=settings.park_s,
            provider_tries=settings.provider_tries,
        ),
        providers=made,
        polled=[p for p in pools.accounts(made) if reports_come(settings, p) == "polling"],
        caller=caller,
        public_url=settings.public_url,
        attached=attached,
        files=stores.files,
        outbox=stores.outbox,
        reader=stores.reader,
        restored_until=stores.restored_until,
    )
    ctx.trace = Tracer(ctx).note

    async def close() -> None:
        await caller.close()
        for provider in pools.accounts(ctx.providers):
            await provider.close()
        await stores.close()

    ctx.closing.append(close)
    return ctx


def store_of(ctx: Context) -> LaneStore:
    """The databases behind a context, for `ims` commands that look into them."""
    if not isinstance(ctx.journal, LaneStore):
        raise Misconfigured("this command needs the records of a profile")
    return ctx.journal


def reader_of(ctx: Context) -> Reader:
    """The log behind a context, for whoever dispatches it."""
    if ctx.reader is None:
        raise Misconfigured("this process has no log to read")
    return ctx.reader


async def close(ctx: Context) -> None:
    """End what `build` began, in its order."""
    for step in ctx.closing:
        await step()


def _stores(settings: Settings, name: str, envelopes: Envelopes, clock: Clock) -> Stores:
    if settings.profile == "production":
        from ims.wiring import production

        return production.stores(settings, name, envelopes, clock)
    from ims.wiring import embedded

    return embedded.stores(settings, name, envelopes, clock)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[SqlRegistry]:
    """The registry alone, for commands."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    database, close = _registry(settings)
    try:
        yield SqlRegistry(database, Sealer(settings.keyring()), now_ms=system_clock(settings.clock_offset_s))
    finally:
        await close()


def _registry(settings: Settings) -> tuple[Database, Callable[[], Awaitable[None]]]:
    if settings.profile == "production":
        from ims.wiring.production import registry_database

        server = registry_database(settings)
        return server, server.close
    from ims.wiring.embedded import registry_file

    file = registry_file(settings.home)

    async def close() -> None:
        file.close()

    return file, close
