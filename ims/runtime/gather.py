"""Batches that form under pressure: what came while the last flush was on its way goes into the next one.

No timer: a lone item is flushed at once. One flush at a time, so order is kept and the store sees large commits exactly
when it is busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ims.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class Gatherer(Generic[T, R]):
    """`flush` gets the items and answers one result (or an exception to raise) for each, in order."""

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R | BaseException]]], *, most: int, waiting: int) -> None:
        self._flush = flush
        self._most = most
        self._waiting_limit = waiting
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, item: T) -> R:
        """Flush an item together with its neighbours. Unavailable when too many wait already."""
        if len(self._waiting) >= self._waiting_limit:
            raise Unavailable("too many requests wait for the store")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                part, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                outcomes: Sequence[R | BaseException]
                try:
                    outcomes = await self._flush([item for item, _ in part])
                except Exception as exc:  # it belongs to those who wait, whatever it is
                    outcomes = [exc] * len(part)
                for (_, future), outcome in zip(part, outcomes, strict=True):
                    if future.done():
                        continue  # the one who asked has gone; what was flushed stays
                    if isinstance(outcome, BaseException):
                        future.set_exception(outcome)
                    else:
                        future.set_result(outcome)
        finally:
            self._task = None

    async def drain(self) -> None:
        """Wait for what was put."""
        if self._task is not None:
            await self._task
