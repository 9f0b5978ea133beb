"""Whether an event may go on now, by what is ordered of its campaign; and who wakes those that could not.

A campaign of which nothing is ordered costs a look-up in a dictionary that is empty most of the time. What is held back is
parked under its campaign until its send_by; the loop of `ims work held` wakes it when the order changes, so that nothing
goes round meanwhile, however large the campaign. A process whose registry is old parks what may go on already, for a
second or so: whoever wakes looks again and again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.campaigns import Order, State
from ims.ports.dispatch import CallStatus, Dispatch
from ims.ports.records import Due
from ims.ports.registry import Directory
from ims.protocol.envelope import Event
from ims.protocol.events import SendRequested
from ims.rules import calls
from ims.rules.campaigns import GATED, held_name, parts_of
from ims.runtime.context import Context

WOKEN_AT_ONCE = 50  # events of one campaign in one round: as many as may be out
_HOLDING = (State.PAUSED, State.WAITING)


async def gated(
    ctx: Context, event: Event, request: SendRequested, directory: Directory, load: Callable[[], Awaitable[Dispatch]]
) -> Dispatch | None:
    """The event's row when its campaign holds it back; none: go on."""
    shared = request.shared
    order = directory.campaign(shared.customer, shared.service_key, shared.campaign_id)
    if order is None or order.state is State.CANCELLED or ctx.clock() > request.send_by:
        return None
    if order.state not in _HOLDING and await _drawn(ctx, held_name(shared.service_key, shared.campaign_id), len(request.rows), order):
        return None
    d = await load()
    positions = {r.pos for r in request.rows}
    begun = any(c.status == CallStatus.TRYING for c in calls.left(d, positions))
    return None if begun or calls.settled(d, sorted(positions)) else d


async def _drawn(ctx: Context, name: str, messages: int, order: Order) -> bool:
    """Whether the campaign's pace lets so many go. While nobody can count, it waits: a pace is a promise."""
    try:
        burst = max(1, order.pace_per_s)
        return await ctx.shared.draw(f"pace/{name}", messages, order.pace_per_s, burst, whole=True) > 0
    except Unavailable:
        return False


async def wake(lane: Lane, ctx: Context, due: Due) -> int:
    """Wake what may go on of a lane; how many events. The release that follows takes them no faster than their provider does."""
    names = await due.waiting(lane, GATED)
    woken_next = ctx.woken_next[lane]
    for name in woken_next.keys() - set(names):
        del woken_next[name]
    if not names:
        return 0
    directory = await ctx.registry.directory()
    now, woken = ctx.clock(), 0
    for name in names:
        key, campaign_id = parts_of(name)
        owner = directory.service_key(key)
        order = directory.campaign(owner.customer if owner else "", key, campaign_id)
        if order is not None and order.state in _HOLDING:
            continue
        if order is None or order.state is State.CANCELLED:
            woken += (await due.wake(lane, name, GATED, now, WOKEN_AT_ONCE))[0]
        elif now >= woken_next.get(name, 0):
            events, messages = await due.wake(lane, name, GATED, now, 1)
            woken_next[name] = now + messages * 1000 // order.pace_per_s
            woken += events
    return woken
