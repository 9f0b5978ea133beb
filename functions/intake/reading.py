"""What a customer reads back: results handed out by polling, one message's state, results told again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from ims.lanes import Lane
from ims.ports.dispatch import Told
from ims.ports.records import Change, ResultArray
from ims.ports.registry import ServiceKey
from ims.protocol.ids import acceptance_key, lane_of, new_birth
from ims.rules.result import About, State, open_object, result_object, state_of
from ims.runtime.context import Context

LEASE_MS = 120_000  # contract section 2
_ARRAY_RESULTS = 100
_ATTEMPTS = range(1, 6)


async def poll(ctx: Context, key: ServiceKey, limit: int) -> tuple[str | None, list[dict[str, Any]]]:
    """Up to `limit` unacknowledged results under a lease."""
    now = ctx.clock()
    batch_id = new_birth(key.kind, now) + secrets.token_hex(5)
    results: list[dict[str, Any]] = []
    for array, count in await ctx.results.lease(key.key, batch_id, now, now + LEASE_MS, limit):
        objects = msgspec.json.decode(ctx.sealer.open(array.body, array.id, array.key_id))
        results += objects[array.acked : array.acked + count]
    return (batch_id, results) if results else (None, [])


async def state(ctx: Context, kind: Lane, service_key: str, message_id: str) -> tuple[About, State, str] | None:
    """The newest message of that id: whose it is, where it stands, and its type while nothing was told."""
    existing = await ctx.acceptance.find_ever(kind, acceptance_key(service_key, message_id))
    if existing is None or not existing.accepted:
        return None
    lane = lane_of(existing.birth)
    payload = (await ctx.journal.payloads(lane, [existing.birth])).get(existing.birth)
    if payload is None:
        return None
    row = payload.rows[existing.pos]
    about = About(service_key, message_id, payload.shared.campaign_id, row.bill_code, existing.birth, existing.pos)
    found = await ctx.journal.dispatches(lane, [(existing.birth, n) for n in _ATTEMPTS])
    attempts = [found[existing.birth, n] for n in _ATTEMPTS if (existing.birth, n) in found]
    held = bool(await ctx.due.is_held(lane, existing.birth))
    return about, state_of(existing.pos, attempts, held=held), payload.shared.message_type


async def read(ctx: Context, key: ServiceKey, message_id: str) -> dict[str, Any] | None:
    """One message as its customer reads it; readable before its callback is made."""
    found = await state(ctx, key.kind, key.key, message_id)
    if found is None:
        return None
    about, where, kind = found
    return result_object(about, where.told, where.attempt) if where.told else open_object(about, where, kind)


async def replay(ctx: Context, key: ServiceKey, from_ms: int | None, to_ms: int | None, message_ids: Sequence[str]) -> int:
    """Queue results again, under their own event ids: the arrays of a period, or those of some messages in new arrays."""
    now = ctx.clock()
    if from_ms is not None and to_ms is not None:
        return await ctx.results.replay(key.key, from_ms, to_ms, now)
    directory = await ctx.registry.directory()
    customer = directory.customer(key.customer)
    by_target: dict[tuple[Lane, str], list[dict[str, Any]]] = {}
    queued = 0
    for message_id in dict.fromkeys(message_ids):
        found = await state(ctx, key.kind, key.key, message_id)
        if found is None or found[1].told is None:
            continue
        about, where, _ = found
        lane = lane_of(about.birth)
        payload = (await ctx.journal.payloads(lane, [about.birth]))[about.birth]
        endpoint = payload.shared.callback_url or (customer.endpoint if customer else "")
        told: Told = found[1].told
        by_target.setdefault((lane, endpoint), []).append(result_object(about, told, where.attempt))
        queued += 1
    for (lane, endpoint), objects in by_target.items():
        arrays = []
        for start in range(0, len(objects), _ARRAY_RESULTS):
            part = objects[start : start + _ARRAY_RESULTS]
            id_ = new_birth(lane, now)
            body = ctx.sealer.seal(msgspec.json.encode(part), id_)
            arrays.append(ResultArray(id_, key.key, endpoint, len(part), now, body, ctx.sealer.key_id, now if endpoint else 0))
        await ctx.journal.commit(lane, Change(arrays=arrays))
    return queued
