"""Posts delivery reports to receipt, signed, again and again with growing waits until it answers 2xx."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from ims.adapters.providers.simulator.reports import Batch, Chunk, Waiting
from ims.adapters.providers.simulator.signed import SIGNATURE, TIMESTAMP, signature

REPORTS_A_POST = 500
POSTS_AT_ONCE = 4
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
TRIES = 100  # about eight minutes; what is given up comes again after a restart


class Pusher:
    """Empties one account's waiting reports into a URL."""

    def __init__(self, waiting: Waiting, url: str, secret: str, told: Callable[[list[Chunk]], None]) -> None:
        self._waiting = waiting
        self._url = f"{url.rstrip('/')}/receipt/simulator"
        self._secret = secret
        self._told = told
        self._news = asyncio.Event()
        self._tries: dict[str, int] = {}  # by the first chunk of what was posted together
        self.given_up = 0

    def wake(self) -> None:
        """There are new reports."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session, asyncio.TaskGroup() as group:
            room = asyncio.Semaphore(POSTS_AT_ONCE)
            while True:
                await room.acquire()
                batch = self._waiting.take(_now_ms(), REPORTS_A_POST)
                if batch is not None:
                    group.create_task(self._deliver(session, batch, room))
                    continue
                room.release()
                self._news.clear()
                due = self._waiting.next_due_ms()
                wait = None if due is None else max(due - _now_ms(), 1) / 1000
                try:
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _deliver(self, session: aiohttp.ClientSession, batch: Batch, room: asyncio.Semaphore) -> None:
        try:
            if await self._post(session, batch.json()):
                self._tries.pop(batch.chunks[0].id, None)
                self._told(self._waiting.settle(batch.id) or [])
                return
            tries = self._tries[batch.chunks[0].id] = self._tries.get(batch.chunks[0].id, 0) + 1
            if tries >= TRIES:
                self._waiting.settle(batch.id)
                self.given_up += sum(chunk.count for chunk in batch.chunks)
                return
            wait_s = min(FIRST_WAIT_S * 2 ** min(tries, 10), LONGEST_WAIT_S)
            self._waiting.give_back(batch, _now_ms() + int(wait_s * 1000))
        finally:
            room.release()
            self._news.set()

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        timestamp = str(_now_ms())
        headers = {
            "content-type": "application/json",
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._secret, timestamp, body),
        }
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                await response.read()
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False


def _now_ms() -> int:
    return int(time.time() * 1000)
