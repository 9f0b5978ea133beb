"""route: chooses the type to send and its topic.

Consumes message.accepted from RECV-*; emits send.requested and message.refused. Holds no state and never calls anybody:
routed twice, or differently after a change of settings, a member that stands in a call stays there (invariant 3).
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from functions.route.choose import route
from ims.errors import Poison
from ims.protocol.envelope import Event
from ims.protocol.events import MessageAccepted
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Decide for one event."""
    if not isinstance(event.data, MessageAccepted):
        raise Poison(f"route cannot handle {event.type}")
    emits = list(route(event, event.data, ctx.clock()))
    return Decision(emits=emits, rows=len(event.data.rows), note=" ".join(e.topic for e in emits))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("route", handle, event)
