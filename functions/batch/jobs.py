"""What the clock fires. Each job can run twice at once and be killed anywhere: it goes on where it was.

Retention is the one that exists; digest, reservations, roll-up and sync come with the rules they belong to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ims.lanes import Lane
from ims.runtime.claim_check import drop_old
from ims.runtime.context import Context

# When each is fired, Asia/Seoul. Nobody waits for retention: it runs when the fewest messages come.
JOBS = {"retention": "20 4 * * *"}
_DAY_MS = 86_400_000
_PAGE = 1_000
_PAUSE_S = 0.05  # between pages: others write to the same tables


async def retention(ctx: Context, lanes: Sequence[Lane], history_days: int, audit_days: int) -> int:
    """Forget messages older than `history_days`, files that no event refers to, uploads past their days, and what was changed in
    registers `audit_days` ago; how many of all went."""
    now = ctx.clock()
    gone = await drop_old(ctx.files, now) if ctx.files else 0
    gone += await ctx.attached.drop_old() if ctx.attached else 0
    while page := await ctx.registry.registers.forget_audits(now - audit_days * _DAY_MS, _PAGE):
        gone += page
        await asyncio.sleep(_PAUSE_S)
    for lane in lanes:
        while page := await ctx.retention.drop_page(lane, now, now - history_days * _DAY_MS):
            gone += page
            await asyncio.sleep(_PAUSE_S)
    return gone
