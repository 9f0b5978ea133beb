"""Held events go back to their topic when their time has come. The loop of `ims work held`."""

from __future__ import annotations

from ims.lanes import Lane
from ims.ports.records import Change, Due
from ims.runtime.context import Context

_PAGE = 50  # a provider that came back is not met by everything at once
_AGAIN_MS = 30_000


async def release_due(lane: Lane, ctx: Context, due: Due) -> int:
    """Release one page; how many there were. Lanes are separate loops, so auth never waits for mass."""
    now = ctx.clock()
    records = await due.take_held(lane, now, now + _AGAIN_MS, _PAGE)
    if records:
        await ctx.journal.commit(lane, Change(released=[r.id for r in records]), records)
    return len(records)
