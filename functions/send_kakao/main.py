"""send_kakao: fixes and makes the calls for AlimTalk.

Consumes send.requested from SEND-AT-*; emits send.finished and message.refused. Never changes a message's state: it
writes calls and refusals into the dispatch row, `report` does the rest, the fallback to a text included.
"""

from __future__ import annotations

from collections.abc import Sequence

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.ports.dispatch import Call
from ims.ports.providers import OutgoingCall
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.runtime.composing import KEY_TTL_S, common_refusals, members
from ims.runtime.context import Context
from ims.runtime.sending import Sending, send
from ims.runtime.stage import Decision, run


def compose(call: Call, request: SendRequested, rows: Sequence[Row], ctx: Context) -> OutgoingCall:
    """The call in the provider port's words; texts stay unrendered. The agency's own fallback is never asked for."""
    shared = request.shared
    return OutgoingCall(
        key=call.key,
        key_ttl_s=KEY_TTL_S,
        send_type=call.send_type,
        members=members(request, rows, ctx),
        title=shared.title,
        sender_key=shared.sender_key,
        template_code=shared.template_code,
        message_type=shared.message_type,
        header=shared.header,
        attachment=shared.attachment,
        supplement=shared.supplement,
    )


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    return await send(event, ctx, Sending("kakao", common_refusals, compose))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_kakao", handle, event)
