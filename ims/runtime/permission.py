"""Who may be sent to at this moment: asked of a channel's check when a call is fixed, and of ads before every further try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from ims.lanes import Lane
from ims.ports.dispatch import HELD
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules import law
from ims.runtime.context import Context

Refusals = dict[int, tuple[str, str]]  # position -> (result, result code); HELD: not refused, it waits for the morning
Check = Callable[[Event, SendRequested, Sequence[Row], Context], Awaitable[Refusals]]


async def look(check: Check, event: Event, request: SendRequested, positions: Collection[int], ctx: Context) -> tuple[Refusals, set[int]]:
    """Who of these is refused for good, and who may be sent to in the morning only."""
    found = await check(event, request, [r for r in request.rows if r.pos in positions], ctx)
    waiting = {pos for pos, (result, _) in found.items() if result == HELD}
    return {pos: why for pos, why in found.items() if pos not in waiting}, waiting


async def shut(check: Check, event: Event, request: SendRequested, positions: Collection[int], ctx: Context) -> bool:
    """Whether the night has come over these since their call was fixed."""
    if event.lane is not Lane.AD:
        return False
    found = await check(event, request, [r for r in request.rows if r.pos in positions], ctx)
    return any(code == law.NIGHT.result for _, code in found.values())
