"""store: writes the history row when a message settles, the day's counters with it, and audit rows.

Consumes message.settled from RESULT-{lane} and audit.recorded from LOG-AUDIT; emits nothing. Replays count once: the
counters move in the transaction that writes the row, by what the row changed.
"""

from __future__ import annotations

import functions_framework.aio
from cloudevents.http import CloudEvent

from functions.store.rows import history_rows
from ims.errors import Poison
from ims.ports.records import Change
from ims.protocol.envelope import Event
from ims.protocol.events import AuditRecorded, MessageSettled
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run


async def handle(event: Event, ctx: Context) -> Decision:
    """Decide for one event."""
    if isinstance(event.data, MessageSettled):
        rows = history_rows(event.data, ctx.sealer)
        return Decision(Change(history=rows), rows=len(rows))
    if isinstance(event.data, AuditRecorded):
        return Decision(Change(audits=[(event.id, event.data)]), rows=1)
    raise Poison(f"store cannot handle {event.type}")


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("store", handle, event)
