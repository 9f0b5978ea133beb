"""send_mt: fixes and makes the calls for SMS, LMS and MMS.

Consumes send.requested from SEND-SMS-*, SEND-LMS-* and SEND-MMS-*; emits send.finished and message.refused. Never changes
a message's state: it writes calls and refusals into the dispatch row, `report` does the rest. An advertisement without its
marks goes to nobody, wherever its text comes from: a request, a template, a step of a fallback.
"""

from __future__ import annotations

from collections.abc import Sequence

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.lanes import Lane
from ims.ports.dispatch import REJECTED
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules import ad_form, law
from ims.runtime import composing
from ims.runtime.context import Context
from ims.runtime.permission import Refusals
from ims.runtime.sending import Sending, send
from ims.runtime.stage import Decision, run


async def refusals(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """As for every channel; and no ad without its marks, which are literal: a text that many share is looked at once."""
    if event.lane is not Lane.AD:
        return await composing.refusals(event, request, rows, ctx)
    shared = request.shared.text or ""
    unmarked = {text for text in {r.text or shared for r in rows} if ad_form.lacks(text)}
    without = {r.pos: (REJECTED, law.AD_MARK.result) for r in rows if (r.text or shared) in unmarked}
    return without | await composing.refusals(event, request, [r for r in rows if r.pos not in without], ctx)


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    return await send(event, ctx, Sending("mt", refusals, composing.compose))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_mt", handle, event)
