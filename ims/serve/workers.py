"""The loops that run for ever, by name: tasks inside `ims up`, `ims work NAME` on its own. Each holds a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from functions.callback.call import retry_due
from functions.receipt.poll import Poller
from functions.receipt.take import Taker
from functions.report.deadlines import emit_due
from ims.errors import ImsError, Poison
from ims.lanes import TRAITS, Lane
from ims.runtime.context import Context
from ims.runtime.leasing import Lease, Turn
from ims.runtime.quiet import Quiet
from ims.runtime.release import release_due
from ims.runtime.stage import where
from ims.telemetry import log

_FAULT_S = 1.0
_OTHERS_S = 5.0  # between looks whether the one who has the lease is still there
_ALONE_S = 2.0  # idle pause of all copies together, when nobody can say whose turn it is

Step = Callable[[], Awaitable[int]]  # one page of work; how much there was
Rest = Callable[[float], Awaitable[None]]  # a pause of at least so long

NAMES = ("deadlines", "held", "callbacks", "reports", "outbox")


def steps(name: str, lanes: list[Lane], ctx: Context, idle_s: float) -> dict[str, tuple[Step, Rest]]:
    """The loops of a worker: lease name -> (step, pause when there was nothing to do)."""
    quiet = ctx.quiet
    match name:
        case "deadlines":
            return {f"deadlines/{lane}": (_bound(emit_due, lane, ctx, ctx.due), _resting(quiet[lane], 0.2)) for lane in lanes}
        case "held":
            return {f"held/{lane}": (_bound(release_due, lane, ctx, ctx.due), _resting(quiet[lane], 0.2)) for lane in lanes}
        case "callbacks":
            return {f"callbacks/{lane}": (_bound(retry_due, lane, ctx), _resting(quiet[lane], 0.2)) for lane in lanes}
        case "reports":
            accounts = {"fast" if TRAITS[lane].reserved else "bulk" for lane in lanes}
            polled = {f"{p.name}/{p.account}": p for p in ctx.polled if p.account in accounts}
            taker = Taker(ctx)
            return {f"reports/{key}": (Poller(p, taker).poll_once, _sleeping(idle_s)) for key, p in polled.items()}
        case "outbox":
            outbox = ctx.outbox  # none where log and state are one; births come from other processes, so nothing would ring
            return {f"outbox/{lane}": (_bound(outbox.relay, lane), _resting(quiet[lane], 0.5)) for lane in lanes} if outbox else {}
        case _:
            raise ValueError(f"no worker is called {name!r}")


def _bound(function: Callable[..., Awaitable[int]], *args: object) -> Step:
    return lambda: function(*args)


def _resting(quiet: Quiet, least_s: float) -> Rest:
    return lambda least: quiet.rest(max(least, least_s))


def _sleeping(least_s: float) -> Rest:
    return lambda least: asyncio.sleep(max(least, least_s))


async def loop(lease: str, step: Step, rest: Rest, ctx: Context, *, owner: str = "") -> None:
    """Run a step for ever while it is our turn. A fault is logged and tried again: the work itself is in the store."""
    held = Lease(ctx.shared, lease, owner or ctx.name)
    while True:
        try:
            turn = await held.turn()
            if turn is Turn.OTHERS:
                await asyncio.sleep(_OTHERS_S)
            elif not await step():
                await rest(0.0 if turn is Turn.MINE else _ALONE_S)
        except (ImsError, Poison) as exc:
            log.warning("worker_waits", worker=lease, error=type(exc).__name__)
            await asyncio.sleep(_FAULT_S)
        except Exception as exc:  # the loop must outlive a fault of ours; it is logged with its place
            log.error("worker_fault", worker=lease, error=type(exc).__name__, place=where(exc))
            await asyncio.sleep(_FAULT_S)
