"""The one place that knows every adapter: a context from settings. Nothing connects before it is used."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.shared import EmbeddedShared
from ims.adapters.embedded.shared import metadata as shared_metadata
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.traces import AGING, EmbeddedTraces
from ims.adapters.http.guarded import GuardedClient
from ims.adapters.sql.queries import SqlDue, SqlResults
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.registry_tables import create as create_registry
from ims.adapters.sql.retention import SqlRetention
from ims.config import Settings
from ims.errors import Misconfigured
from ims.ports.clock import system_clock
from ims.ports.providers import Provider
from ims.protocol.envelope import Envelopes
from ims.protocol.ids import Tracker
from ims.protocol.sealing import Sealer
from ims.runtime.context import Context, Timing
from ims.runtime.tracing import Tracer
from ims.telemetry import UNLISTED

ACCOUNTS = ("fast", "bulk")


def build(settings: Settings, name: str, *, with_providers: bool = True) -> Context:
    """The context of one process of the embedded profile."""
    home = settings.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    ring = settings.keyring()
    sealer = Sealer(ring)
    clock = system_clock(settings.clock_offset_s)
    envelopes = Envelopes(sealer, name)
    # who takes one-time codes in is also asked about messages of last month: its loop waits for no disk
    store = EmbeddedStore(home, envelopes, clock, Bells(home), apart=name == "edge" or "intake" in name)
    registry_file = _registry_file(home)
    shared_file = LaneFile(home / "shared.db", shared_metadata.create_all)
    made = providers(settings) if with_providers else {}
    caller = GuardedClient(settings.callback_allow_loopback, settings.callback_timeout_s)
    ctx = Context(
        name=f"{name}-{secrets.token_hex(4)}",
        clock=clock,
        journal=store,
        acceptance=store,
        due=SqlDue(store.lanes),
        retention=SqlRetention(store, AGING),
        results=SqlResults(store.lanes),
        registry=SqlRegistry(registry_file, sealer, now_ms=clock),
        shared=EmbeddedShared(shared_file, clock),
        traces=EmbeddedTraces(store.files),
        envelopes=envelopes,
        sealer=sealer,
        tracker=Tracker(ring.tag),
        timing=Timing(
            report_deadline_s={
                "SMS": settings.report_deadline_sms_s,
                "LMS": settings.report_deadline_lms_s,
                "AT": settings.report_deadline_at_s,
            },
            callback_retry_unit_s=settings.callback_retry_unit_s,
            park_s=settings.park_s,
            provider_tries=settings.provider_tries,
        ),
        providers=made,
        polled=[p for p in {id(p): p for p in made.values()}.values() if _reports(settings, p) == "polling"],
        caller=caller,
    )
    ctx.trace = Tracer(ctx).note

    async def close() -> None:
        await caller.close()
        for provider in {id(p): p for p in ctx.providers.values()}.values():
            await provider.close()
        store.close()
        registry_file.close()
        shared_file.close()

    ctx.closing.append(close)
    return ctx


def store_of(ctx: Context) -> EmbeddedStore:
    """The embedded store behind a context: for its dispatcher, upkeep and `ims` commands."""
    if not isinstance(ctx.journal, EmbeddedStore):
        raise Misconfigured("this command works on the embedded profile")
    return ctx.journal


async def close(ctx: Context) -> None:
    """End what `build` began, in its order."""
    for step in ctx.closing:
        await step()


def providers(settings: Settings) -> dict[tuple[str, str], Provider]:
    """(family, account) -> provider; one instance per provider and account, so that its connections are shared."""
    made: dict[tuple[str, str], Provider] = {}
    out: dict[tuple[str, str], Provider] = {}
    for family, chosen in (("mt", settings.providers_mt), ("kakao", settings.providers_kakao)):
        for account in ACCOUNTS:
            if (chosen, account) not in made:
                made[chosen, account] = _bizgo(settings, account) if chosen == "bizgo" else _simulator(settings, account)
            out[family, account] = made[chosen, account]
    return out


def _simulator(settings: Settings, account: str) -> Provider:
    from ims.adapters.providers.simulator.adapter import Simulator

    return Simulator(
        settings.simulator_url or f"http://127.0.0.1:{settings.simulator_port}",
        account,
        keys=settings.simulator_keys,
        secret=settings.simulator_secret,
        timeout_s=settings.provider_timeout_s,
        on_unlisted=_unlisted("simulator"),
    )


def _bizgo(settings: Settings, account: str) -> Provider:
    from ims.adapters.providers.bizgo.adapter import Bizgo

    own = account == "fast" and settings.bizgo_fast_api_key
    # One account's rate is shared out: what the reserved lanes keep, mass can never borrow.
    rate = settings.bizgo_rate_per_s
    if not settings.bizgo_fast_api_key:
        share = settings.bizgo_fast_reserve_share
        rate *= share if account == "fast" else 1 - share
    return Bizgo(
        (settings.bizgo_fast_base_url if own else "") or settings.bizgo_base_url,
        settings.bizgo_fast_api_key if own else settings.bizgo_api_key,
        account,
        reports=(settings.bizgo_fast_reports if account == "fast" else "") or settings.bizgo_reports,
        webhook_secret=(settings.bizgo_fast_webhook_secret if own else "") or settings.bizgo_webhook_secret,
        rate_per_s=rate,
        timeout_s=settings.provider_timeout_s,
        on_unlisted=_unlisted("bizgo"),
        more_codes=_more_codes(settings),
    )


def _reports(settings: Settings, provider: Provider) -> str:
    """How an account's delivery reports come: "polling" or "webhook"."""
    fast = provider.account == "fast"
    if provider.name == "bizgo":
        return (settings.bizgo_fast_reports if fast else "") or settings.bizgo_reports
    return settings.simulator_reports_fast if fast else settings.simulator_reports_bulk


def _more_codes(settings: Settings) -> dict[str, dict[str, str]]:
    if settings.bizgo_codes_file is None:
        return {}
    try:
        codes: dict[str, dict[str, str]] = json.loads(settings.bizgo_codes_file.read_text())
    except (OSError, ValueError) as exc:
        raise Misconfigured(f"IMS_BIZGO_CODES_FILE cannot be read: {type(exc).__name__}") from exc
    return codes


def _unlisted(provider: str):  # type: ignore[no-untyped-def]  # a one-line closure over a metric
    return lambda _code: UNLISTED.labels(provider).inc()


def _registry_file(home: Path) -> LaneFile:
    return LaneFile(home / "registry.db", create_registry)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[SqlRegistry]:
    """The registry alone, for commands."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = _registry_file(settings.home)
    try:
        yield SqlRegistry(file, Sealer(settings.keyring()), now_ms=system_clock(settings.clock_offset_s))
    finally:
        file.close()
