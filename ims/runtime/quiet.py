"""How long a lane has been quiet in this process, and a bell for when it is not any more: what lets idle loops rest without being late.

A pause is at most a tenth of the quiet before it, so what comes due meanwhile is late by at most a tenth of the time that
it had waited already. What a stage of this process commits in the lane ends the pause at once: rows that may come due soon
are written by stages. Where stages are other processes (`ims work` on its own) nothing rings, and LONGEST_S bounds the delay.
"""

from __future__ import annotations

import asyncio
import time

LONGEST_S = 2.0
_SHARE = 0.1


class Quiet:
    """Of one lane in one process."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bell = asyncio.Event()

    def ends(self) -> None:
        """Something happened in the lane."""
        self._since = time.monotonic()
        self._bell.set()

    async def rest(self, least_s: float) -> None:
        """Pause for `least_s`, or for longer the longer the lane has been quiet, until it is not."""
        pause_s = min(LONGEST_S, (time.monotonic() - self._since) * _SHARE)
        if pause_s > least_s:
            self._bell.clear()
            try:
                async with asyncio.timeout(pause_s):
                    await self._bell.wait()
            except TimeoutError:
                return
        await asyncio.sleep(least_s)
