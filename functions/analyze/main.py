"""analyze: keeps traces, what each stage did with each event, for `ims why` and latencies.

Consumes stage.traced from ANALYZE-LOG; emits nothing. Nothing waits for it: a trace that is lost costs an explanation,
never a message. So while the store of traces is away they are dropped and counted: coming again would hold back the
topic's partitions, and in the end fill the dead letters with what nobody would replay.
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.errors import Later, Poison
from ims.protocol.envelope import Event
from ims.protocol.events import StageTraced
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run
from ims.telemetry import TRACES_DROPPED, log


async def handle(event: Event, ctx: Context) -> Decision:
    """Decide for one event."""
    if not isinstance(event.data, StageTraced):
        raise Poison(f"analyze cannot handle {event.type}")
    traces, lane = event.data.traces, event.lane
    breaker = f"traces/{lane}"  # a store that is away costs its time limit once in a while, not once an event
    kept = not ctx.breakers.closed_at(breaker, ctx.clock())
    if kept:
        try:
            await ctx.traces.write(lane, traces)
            ctx.breakers.succeeded(breaker)
        except Later as exc:
            kept = False
            ctx.breakers.failed(breaker, ctx.clock())
            log.warning("traces_dropped", lane=lane, count=len(traces), error=type(exc).__name__)
    if not kept:
        TRACES_DROPPED.labels(lane).inc(len(traces))
    return Decision(rows=len(traces))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("analyze", handle, event)
