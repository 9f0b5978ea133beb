"""Held events go back to their topic when their time has come, no faster than their provider takes them. The loop of `ims work held`.

A provider that is away is tried with one event at a time, less and less often; once it takes one, twice as many follow each
time. Without that a backlog of a million messages would go round for as long as the provider is away: appended, refused
by the breaker, parked again. How it went is read from the store, so the senders may be other processes.
"""

from __future__ import annotations

from ims import topics
from ims.errors import Poison
from ims.lanes import Lane
from ims.ports.records import Change, Due
from ims.protocol.envelope import Record
from ims.protocol.events import SendRequested
from ims.rules import calls
from ims.rules.campaigns import GATED
from ims.runtime.context import Context
from ims.runtime.gate import wake
from ims.runtime.pace import Out, Pace

_AGAIN_MS = 30_000
_FORGET_MS = 120_000  # what became a dead letter, say, is neither sent nor parked again


async def release_due(lane: Lane, ctx: Context, due: Due) -> int:
    """Release what may be; how many there were. Lanes are separate loops, so auth never waits for mass."""
    await wake(lane, ctx, due)
    now = ctx.clock()
    paces = {topic: ctx.paces.setdefault(topic, Pace()) for topic in topics.sends(lane)}
    for pace in paces.values():
        if pace.out:
            await _look(pace, lane, ctx, due)
    taken = await due.take_held(lane, now, now + _AGAIN_MS, {t: room for t, p in paces.items() if (room := p.room(now))})
    records = [t.record for t in taken]
    if taken:
        await ctx.journal.commit(lane, Change(released=taken), records)
    for record in records:
        if (found := _opened(record, ctx)) and now <= found.send_by:  # past it an event waits for no provider: it tells nothing
            key = (found.birth, found.attempt)
            paces[record.topic].out[record.id] = Out(now, key, [row.pos for row in found.rows])
    return len(records)


async def _look(pace: Pace, lane: Lane, ctx: Context, due: Due) -> None:
    """Find out what became of the events that are out."""
    now = ctx.clock()
    parked = await due.parked(lane, list(pace.out))
    # what its campaign holds back says nothing of the provider
    back = {id_: event.due_at for id_, event in parked.items() if event.reason != GATED}
    away = {id_: out for id_, out in pace.out.items() if id_ not in parked}
    rows = await ctx.journal.dispatches(lane, list({out.key for out in away.values()}))
    sent = [id_ for id_, out in away.items() if out.key in rows and calls.settled(rows[out.key], out.positions)]
    lost = [id_ for id_, out in away.items() if out.since < now - _FORGET_MS]
    for id_ in {*parked, *sent, *lost}:
        del pace.out[id_]
    pace.came(len(sent), len(back), max(back.values(), default=0), now, int(ctx.timing.park_s * 1000))


def _opened(record: Record, ctx: Context) -> SendRequested | None:
    try:
        data = ctx.envelopes.open(record.attributes, record.data).data
    except Poison:
        return None
    return data if isinstance(data, SendRequested) else None
