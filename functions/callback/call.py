"""Calling customers' endpoints: paced per (endpoint, lane), none waiting for another's, retried on the contract's schedule."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial

from functions.callback.arrays import wire_body
from ims.errors import Later
from ims.lanes import Lane
from ims.ports.records import StoredArray
from ims.rules.schedule import retry_wait_s
from ims.rules.signing import sign
from ims.runtime.context import Context
from ims.telemetry import CALLBACK_DELAY, CALLBACKS, log

OPEN_CALLS = 8  # per endpoint and lane: what a slow customer can hold of us
CLAIM_MS = 15_000  # a call takes at most 5 s; whoever claimed an array and died loses it after this
BREAKER_WAIT_MS = 1_000
GATE_WAIT_MS = 200
BREAKERS_PER_UNIT = 12  # a breaker opens for 1/12 of the retry unit, 5 s of 60, and never for longer than the unit
SLOW_S = 0.1  # a page of retries that takes longer goes on by itself, and the others are looked after meanwhile
_ENDPOINTS = 10_000  # gates kept; the least used is forgotten first


class Gates:
    """One gate per (lane, endpoint) of this process."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Lane, str], int] = OrderedDict()

    def room(self, lane: Lane, endpoint: str) -> int:
        return OPEN_CALLS - self._open.get((lane, endpoint), 0)

    def enter(self, lane: Lane, endpoint: str) -> None:
        self._open[lane, endpoint] = self._open.get((lane, endpoint), 0) + 1

    def leave(self, lane: Lane, endpoint: str) -> None:
        left = self._open.get((lane, endpoint), 1) - 1
        if left:
            self._open[lane, endpoint] = left
        else:
            self._open.pop((lane, endpoint), None)


gates = Gates()


async def call(array: StoredArray, body: bytes, lane: Lane, ctx: Context) -> bool:
    """One call of one claimed array; marks what it came to. False: parked without a call, or failed."""
    now = ctx.clock()
    breaker = f"callback/{lane}/{array.endpoint}"
    if gates.room(lane, array.endpoint) <= 0:
        CALLBACKS.labels(lane, "parked").inc()
        await ctx.results.release(lane, array.id, now + GATE_WAIT_MS)
        return False
    if opens_at := ctx.breakers.closed_at(breaker, now):
        CALLBACKS.labels(lane, "breaker").inc()
        await ctx.results.release(lane, array.id, max(opens_at, now + BREAKER_WAIT_MS))
        return False
    gates.enter(lane, array.endpoint)
    try:
        acknowledged = await _post(array, body, ctx)
    finally:
        gates.leave(lane, array.endpoint)
    done = ctx.clock()
    calls = array.calls + 1
    if acknowledged:
        ctx.breakers.succeeded(breaker)
        CALLBACKS.labels(lane, "acknowledged").inc()
        CALLBACK_DELAY.labels(lane).observe((done - array.created_at) / 1000)
        await ctx.results.called(lane, array.id, acknowledged=True, calls=calls, due_at=0)
        return True
    ctx.breakers.failed(breaker, done, first_ms=int(ctx.timing.callback_retry_unit_s * 1000 / BREAKERS_PER_UNIT))
    wait_s = retry_wait_s(calls, ctx.timing.callback_retry_unit_s)
    CALLBACKS.labels(lane, "failed" if wait_s else "given_up").inc()
    await ctx.results.called(lane, array.id, acknowledged=False, calls=calls, due_at=done + int(wait_s * 1000) if wait_s else 0)
    return False


async def _post(array: StoredArray, body: bytes, ctx: Context) -> bool:
    if ctx.caller is None:
        return False
    directory = await ctx.registry.directory()
    key = directory.service_key(array.service_key)
    customer = directory.customer(key.customer) if key else None
    if customer is None or not customer.callback_secrets:
        log.error("callback_unsigned", array=array.id)  # never told without a signature: the result waits for polling
        return False
    wire = wire_body(body, array.count)
    headers = {"content-type": "application/json; charset=utf-8", **sign(customer.callback_secrets, array.id, ctx.clock() // 1000, wire)}
    try:
        status = await ctx.caller.post(array.endpoint, wire, headers)
    except Later as exc:
        log.info("callback_failed", array=array.id, error=type(exc).__name__)
        return False
    if not 200 <= status < 300:
        log.info("callback_refused", array=array.id, status=status)
    return 200 <= status < 300


_retrying: dict[tuple[str, Lane, str], asyncio.Task[None]] = {}  # by process, lane and endpoint


async def retry_due(lane: Lane, ctx: Context) -> int:
    """Begin what is due, every endpoint for itself; how many were begun. The loop of `ims work callbacks`.

    Not waited for longer than SLOW_S: an endpoint that hangs would hold up the retries of all the others.
    """
    begun = []
    for endpoint in await ctx.results.endpoints_due(lane, ctx.clock()):
        key = (ctx.name, lane, endpoint.key)
        if key not in _retrying:
            begun.append(task := asyncio.create_task(_retry(lane, endpoint.key, ctx)))
            _retrying[key] = task
            task.add_done_callback(partial(_ended, key))
    if begun:
        await asyncio.wait(begun, timeout=SLOW_S)
    return len(begun)


async def _retry(lane: Lane, endpoint: str, ctx: Context) -> None:
    """One endpoint's due calls, page by page."""
    while True:
        now = ctx.clock()
        claimed = await ctx.results.claim(lane, endpoint, now, now + CLAIM_MS, OPEN_CALLS)
        if not claimed:
            return
        await asyncio.gather(*(call(a, ctx.sealer.open(a.body, a.id, a.key_id), lane, ctx) for a in claimed))


def _ended(key: tuple[str, Lane, str], task: asyncio.Task[None]) -> None:
    """What was claimed and not called is due again when its claim is over."""
    _retrying.pop(key, None)
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.warning("callbacks_wait", lane=key[1], error=type(exc).__name__)
