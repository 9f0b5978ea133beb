"""callback: writes result rows, then tells the customer.

Consumes message.settled from RESULT-{lane}; emits nothing. An array is formed once from a RESULT event and stored before
it is called, so a result is readable (polling, replay) whether or not anybody listens. What exceeds an endpoint's limit
of open calls, and what fails, is left to the retries (`ims work callbacks`), never waited for.
"""

from __future__ import annotations

import asyncio

import functions_framework.aio
from cloudevents.http import CloudEvent

from functions.callback.arrays import form
from functions.callback.call import CLAIM_MS, call
from ims.errors import Poison
from ims.ports.records import Change, StoredArray
from ims.protocol.envelope import Event
from ims.protocol.events import MessageSettled
from ims.runtime.context import Context
from ims.runtime.stage import Decision, commit, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Store the arrays of one event, then call what is not called yet."""
    data = event.data
    if not isinstance(data, MessageSettled):
        raise Poison(f"callback cannot handle {event.type}")
    directory = await ctx.registry.directory()
    customer = directory.customer(data.customer)
    endpoint = data.callback_url or (customer.endpoint if customer else "")
    now = ctx.clock()
    # due only after CLAIM_MS: the call is made here, and the retries take over if this process dies before it
    formed = list(form(event, data, endpoint, ctx.sealer, now, now + CLAIM_MS))
    known = await ctx.results.known(event.lane, [a.id for a, _ in formed])
    fresh = [(a, body) for a, body in formed if a.id not in known]
    await commit(ctx, event, Decision(Change(arrays=[a for a, _ in fresh])))
    waiting = [
        call(StoredArray(a.id, a.service_key, a.endpoint, a.count, a.created_at, a.body, a.key_id, 0, a.due_at, 0), body, event.lane, ctx)
        for a, body in fresh
        if a.endpoint
    ]
    acknowledged = sum(await asyncio.gather(*waiting))
    rows = sum(a.count for a, _ in formed)
    return Decision(rows=rows, note=f"{len(fresh)} arrays, {acknowledged} acknowledged")


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("callback", handle, event)
