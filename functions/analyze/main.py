"""analyze: keeps traces, what each stage did with each event, for `ims why` and latencies.

Consumes stage.traced from ANALYZE-LOG; emits nothing. Nothing waits for it: a trace that is lost costs an explanation,
never a message.
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.errors import Poison
from ims.ports.records import Change
from ims.protocol.envelope import Event
from ims.protocol.events import StageTraced
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Decide for one event."""
    del ctx
    if not isinstance(event.data, StageTraced):
        raise Poison(f"analyze cannot handle {event.type}")
    return Decision(Change(traces=event.data.traces), rows=len(event.data.traces))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("analyze", handle, event)
