"""The rate of a provider's account, handed out in the order in which it was asked for.

Without an order everybody who waits draws a little: fifty events of 200 recipients at 200 a second had 80 each when
they gave up after 20 s, and what they had drawn was gone. Now the first one gets all of it, and who would wait too
long is told so before it draws anything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from ims.ports.shared import Shared

WAIT_S = 20.0  # longer, and the event is parked so that its window is free for others


class _Line:
    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.wanted = 0  # by all who stand in it


class Rates:
    """The lines of one process, by account; bounded in number by the accounts."""

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._lines: dict[str, _Line] = {}
        self._sleep = sleep

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
            left -= await shared.draw(f"rate/{account}", left, rate_per_s, burst)
            if left <= 0:
                return 0.0
            pause = min(1.0, left / rate_per_s)
            if waited + pause > limit_s:
                return random.uniform(2, 10)  # noqa: S311 - the same
            await self._sleep(pause)
            waited += pause
