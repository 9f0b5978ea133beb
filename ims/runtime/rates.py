"""The rate of a provider's account, handed out in the order in which it was asked for.

Without an order everybody who waits draws a little, few draw enough before they give up, and what the others had drawn is
gone (docs/performance.md). So the first one gets all of it, and who would wait too long is told so before it draws anything.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from ims.errors import Unavailable
from ims.ports.shared import Shared

WAIT_S = 20.0  # longer, and the event is parked so that its window is free for others
ALONE = 0.1  # of an account's rate for each process while the buckets are away: a guess at how many draw from one account


class _Line:
    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.wanted = 0  # by all who stand in it
        self.tokens = 0.0  # of this process alone
        self.drawn_at: float | None = None


class Rates:
    """The lines of one process, by account; bounded in number by the accounts.

    While the shared buckets are away sending goes on, each process at a small share of the rate out of a bucket of its own,
    which begins empty: slower, and with up to ten processes not over the rate.
    """

    def __init__(
        self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._lines: dict[str, _Line] = {}
        self._sleep = sleep
        self._monotonic = monotonic

    async def take(self, shared: Shared, account: str, want: int, rate_per_s: float) -> float:
        """0 when it is taken, else how long to rest before asking again, in seconds."""
        line = self._lines.setdefault(account, _Line())
        ahead_s = line.wanted / rate_per_s
        if line.wanted and ahead_s + want / rate_per_s > WAIT_S:
            return ahead_s * random.uniform(0.5, 1.0)  # noqa: S311 - spread, so that parked events do not come back together
        line.wanted += want
        try:
            async with line.first:
                return await self._draw(shared, account, want, rate_per_s)
        finally:
            line.wanted -= want

    async def _draw(self, shared: Shared, account: str, want: int, rate_per_s: float) -> float:
        burst, waited = max(want, int(rate_per_s)), 0.0
        limit_s = max(WAIT_S, 2 * want / rate_per_s)  # other processes may draw from the same account
        left = want
        while True:
            try:
                left -= await shared.draw(f"rate/{account}", left, rate_per_s, burst)
            except Unavailable:
                left -= self._alone(account, left, rate_per_s * ALONE)
            if left <= 0:
                return 0.0
            pause = min(1.0, left / rate_per_s)
            if waited + pause > limit_s:
                return random.uniform(2, 10)  # noqa: S311 - the same
            await self._sleep(pause)
            waited += pause

    def _alone(self, account: str, want: int, rate_per_s: float) -> int:
        line, now = self._lines[account], self._monotonic()
        since = 0.0 if line.drawn_at is None else now - line.drawn_at
        line.tokens = min(max(1.0, rate_per_s), line.tokens + since * rate_per_s)
        line.drawn_at = now
        got = min(want, int(line.tokens))
        line.tokens -= got
        return got
