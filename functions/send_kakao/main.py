"""send_kakao: fixes and makes the calls for AlimTalk and brand messages.

Consumes send.requested from SEND-AT-* and SEND-BT-*; emits send.finished and message.refused. Never changes a message's state: it
writes calls and refusals into the dispatch row, `report` does the rest.
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.protocol.envelope import Event
from ims.runtime.composing import compose, refusals
from ims.runtime.context import Context
from ims.runtime.sending import Sending, send
from ims.runtime.stage import Decision, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    return await send(event, ctx, Sending("kakao", refusals, compose))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_kakao", handle, event)
