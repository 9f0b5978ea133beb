"""Deadlines as events: a row whose time has come says so on REPORT-{lane}. The loop of `ims work deadlines`."""

from __future__ import annotations

from ims import topics
from ims.lanes import Lane
from ims.ports.records import Change, Due
from ims.protocol.envelope import Emit
from ims.protocol.events import DeadlinePassed
from ims.protocol.ids import derived
from ims.runtime.context import Context
from ims.runtime.stage import new_trace

_PAGE = 200
_AGAIN_MS = 60_000  # if the event is lost between taking and appending, the row speaks up again


async def emit_due(lane: Lane, ctx: Context, due: Due) -> int:
    """Emit one page of deadlines; how many there were."""
    now = ctx.clock()
    rows = await due.take_deadlines(lane, now, now + _AGAIN_MS, _PAGE)
    records = []
    for birth, attempt, due_at in rows:
        data = DeadlinePassed(birth=birth, attempt=attempt, due_at=due_at)
        emit = Emit(topics.report(lane), derived(birth, f"deadline-{attempt}", due_at), data, birth, lane)
        records.append(ctx.envelopes.seal(emit, new_trace(), now))
    if records:
        await ctx.journal.commit(lane, Change(), records)
    return len(rows)
