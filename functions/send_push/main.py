"""send_push: fixes and makes the calls for app push.

Consumes send.requested from SEND-PUSH-*; emits send.finished and message.refused. Never changes a message's state: it
writes calls and refusals into the dispatch row, `report` does the rest. Tokens that a service calls dead are retired once
the outcome that says so is stored.
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from functions.send_push.recipients import Recipients, retire
from ims.protocol.envelope import Event
from ims.protocol.events import SendRequested
from ims.runtime.context import Context
from ims.runtime.sending import Sending, send
from ims.runtime.stage import Decision, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    recipients = Recipients()
    decision = await send(event, ctx, Sending("push", recipients.check, recipients.compose))
    if isinstance(event.data, SendRequested):
        await retire(event, event.data, ctx)
    return decision


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_push", handle, event)
