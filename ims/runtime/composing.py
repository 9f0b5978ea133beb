"""What every send function needs to decide whom to leave out of a call, and to word the call for its members."""

from __future__ import annotations

from collections.abc import Sequence

from ims import results
from ims.ports.dispatch import EXPIRED, FAILED, REJECTED
from ims.ports.providers import Outgoing
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.runtime.context import Context
from ims.runtime.sending import Refusals

KEY_TTL_S = 86_400  # as long as any lane's send_by: a call may be repeated under its key until nothing may be sent any more


def members(request: SendRequested, rows: Sequence[Row], ctx: Context) -> list[Outgoing]:
    """The rows as members of a call: our ref, the number, the text with its variables still in it."""
    text = request.shared.text or ""
    ref, birth, attempt = ctx.tracker.ref, request.birth, request.attempt
    return [Outgoing(ref(birth, r.pos, attempt), r.to, r.text or text, r.mapping) for r in rows]


async def common_refusals(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """What every channel checks when a call is fixed: send_by, emergency stop, opt-outs (invariant 3)."""
    now = ctx.clock()
    if now > request.send_by:
        first = request.attempt == 1  # a later step's messages were in a call before: that is a failure, not an expiry
        return {r.pos: (EXPIRED if first else FAILED, results.EXPIRED_IN_QUEUE) for r in rows}
    shared = request.shared
    directory = await ctx.registry.directory()
    sender = shared.sender_key or shared.callback
    if directory.stopped(customer=shared.customer, template=shared.template_code, sender=sender, campaign=shared.campaign_id):
        return {r.pos: (REJECTED, results.STOPPED) for r in rows}
    index = {r.pos: ctx.sealer.index(r.to) for r in rows}
    gone = await ctx.registry.opted_out(shared.customer, shared.channel, list(index.values()))
    return {pos: (REJECTED, results.OPTED_OUT) for pos, digest in index.items() if digest in gone} if gone else {}
