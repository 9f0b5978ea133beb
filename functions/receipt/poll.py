"""Delivery reports by polling: taken in, appended durably, and only then acknowledged. The loop of `ims work reports`."""

from __future__ import annotations

import asyncio

from functions.receipt.take import Taker
from ims.ports.providers import Provider


class Poller:
    """One account. Takes several batches at once while none comes back empty, where the provider hands out several."""

    def __init__(self, provider: Provider, taker: Taker) -> None:
        self._provider = provider
        self._taker = taker
        self._wide = 1

    async def poll_once(self) -> int:
        """A round of batches; how many reports they held. What of one is not appended is not acknowledged, and comes again."""
        ended = await asyncio.gather(*(self._batch() for _ in range(self._wide)), return_exceptions=True)
        counts = [n for n in ended if isinstance(n, int)]
        self._wide = min(self._wide * 2, self._provider.abilities.polls) if len(counts) == len(ended) and all(counts) else 1
        for failed in ended:
            if isinstance(failed, BaseException):
                raise failed
        return sum(counts)

    async def _batch(self) -> int:
        polled = await self._provider.poll()
        if polled is None:
            return 0
        await self._taker.take(self._provider.name, polled.reports)
        await self._provider.acknowledge(polled.batch_id)
        return len(polled.reports)
