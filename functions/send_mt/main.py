"""send_mt: fixes and makes the calls for SMS and LMS.

Consumes send.requested from SEND-SMS-* and SEND-LMS-*; emits send.finished and message.refused. Never changes a
message's state: it writes calls and refusals into the dispatch row, `report` does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims import results
from ims.lanes import Lane
from ims.ports.dispatch import REJECTED, Call
from ims.ports.providers import OutgoingCall
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules.night import ad_window_closed
from ims.runtime.composing import KEY_TTL_S, common_refusals, members
from ims.runtime.context import Context
from ims.runtime.sending import Refusals, Sending, send
from ims.runtime.stage import Decision, run


async def check(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """What may have changed since acceptance."""
    if event.lane is Lane.AD and ad_window_closed(ctx.clock()):
        return {r.pos: (REJECTED, results.NIGHT_AD) for r in rows}
    return await common_refusals(event, request, rows, ctx)


def compose(call: Call, request: SendRequested, rows: Sequence[Row], ctx: Context) -> OutgoingCall:
    """The call in the provider port's words; texts stay unrendered."""
    shared = request.shared
    return OutgoingCall(
        key=call.key,
        key_ttl_s=KEY_TTL_S,
        send_type=call.send_type,
        members=members(request, rows, ctx),
        callback=shared.callback,
        title=shared.title,
        message_type=shared.message_type,
    )


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    return await send(event, ctx, Sending("mt", check, compose))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_mt", handle, event)
