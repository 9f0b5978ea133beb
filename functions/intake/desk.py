"""Intake's ports on the context of the process that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from functions.intake import reading
from functions.intake.accept import Acceptor
from functions.intake.ports import Acceptance
from functions.intake.validate import Accepted, Many, RowError, Slice
from ims.errors import Unavailable
from ims.lanes import TRAITS, Lane
from ims.ports.attachments import Upload
from ims.ports.registry import Customer, Registry, ServiceKey
from ims.protocol.ids import acceptance_key
from ims.rules.unsubscribe import opened
from ims.runtime.context import Context
from ims.telemetry import UNCOUNTED

_SEOUL = ZoneInfo("Asia/Seoul")


class Desk:
    """functions.intake.ports.IntakePorts."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._acceptor = Acceptor(ctx)

    @property
    def registry(self) -> Registry:
        return self._ctx.registry

    def now(self) -> int:
        return self._ctx.clock()

    async def customer_of(self, username: str) -> Customer | None:
        return (await self._ctx.registry.directory()).customer_of(username)

    async def accept_single(self, kind: Lane, accepted: Accepted, trace: str) -> Acceptance:
        return "replayed" if await self._acceptor.single(kind, accepted, trace) == "replayed" else "fresh"

    async def accepted_before(self, kind: Lane, accepted: Accepted) -> bool:
        key = acceptance_key(accepted.shared.service_key, accepted.row.message_id)
        existing = (await self._ctx.acceptance.find(kind, [key])).get(key)
        return existing is not None and existing.accepted and existing.digest == accepted.digest

    async def accept_rows(self, kind: Lane, many: Many, part: Slice, trace: str) -> list[RowError]:
        return await self._acceptor.rows(kind, many, part, trace)

    async def find_files(self, keys: Sequence[str]) -> Mapping[str, Upload]:
        return await self._ctx.attached.find(keys) if self._ctx.attached else {}

    async def check_url(self, url: str) -> bool:
        return self._ctx.caller is not None and await self._ctx.caller.check(url)

    async def draw(self, key: ServiceKey, rows: int) -> bool:
        """While nobody can count, no key is held to its rate: it only spares us, and admission bounds what is open.

        A daily cap is a promise about cost. Auth and realtime are let through uncounted, since a login must not fail because
        a counter is away; mass and ad, which spend the caps and can wait, raise Unavailable: 9998, come again.
        """
        shared, name = self._ctx.shared, f"key/{key.key}"
        if key.rate_per_s:
            try:
                if not await shared.draw(name, rows, key.rate_per_s, key.rate_per_s, whole=True):
                    return False
            except Unavailable:
                UNCOUNTED.labels("rate").inc(rows)
        if not key.daily_cap:
            return True
        day = datetime.fromtimestamp(self._ctx.clock() / 1000, _SEOUL).date().isoformat()
        try:
            return await shared.spend(name, day, rows, key.daily_cap)
        except Unavailable:
            if not TRAITS[key.kind].reserved:
                raise
            UNCOUNTED.labels("daily_cap").inc(rows)
            return True

    def may_refuse(self, token: str) -> None:
        opened(self._ctx.sealer, token)

    async def refuse(self, token: str) -> None:
        refusing = opened(self._ctx.sealer, token)
        await self._ctx.registry.add_opt_outs(refusing.customer, refusing.channel, [refusing.recipient])

    async def poll(self, key: ServiceKey, limit: int) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
        return await reading.poll(self._ctx, key, limit)

    async def acknowledge(self, key: ServiceKey, batch_id: str) -> bool:
        return await self._ctx.results.acknowledge(key.key, batch_id)

    async def read(self, key: ServiceKey, message_id: str) -> Mapping[str, Any] | None:
        return await reading.read(self._ctx, key, message_id)

    async def replay(self, key: ServiceKey, from_ms: int | None, to_ms: int | None, message_ids: Sequence[str]) -> int:
        return await reading.replay(self._ctx, key, from_ms, to_ms, message_ids)
