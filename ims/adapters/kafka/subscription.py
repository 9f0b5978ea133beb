"""Reads topics of Kafka as a member of a consumer group: the Subscription over a cluster.

A thread of its own keeps a `Member` in the group and makes a new one when it breaks; the event loop only empties the buffer that the member
fills, and is never made to wait for the library.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from kafka import errors

from ims.adapters.kafka.connection import KafkaConnection
from ims.adapters.kafka.member import HANG_S, SESSION_S, Member
from ims.adapters.kafka.progress import Partition, Progress
from ims.errors import Unavailable
from ims.ports.log import Delivery
from ims.telemetry import log

T = TypeVar("T")

_MOST_RECORDS = 500
_MOST_BYTES = 2 * 1024 * 1024  # beside it at most one answer of each broker is kept by the library
_ANSWER_S = 10.0
_CLOSE_S = 15.0
_AGAIN_S = 1.0
# The group is being shared out anew, or has put us out: what was not stored comes again, to whoever has it then.
_NOT_NOW = (errors.CommitFailedError, errors.RebalanceInProgressError, errors.UnknownMemberIdError, errors.IllegalGenerationError)


class KafkaSubscription:
    """The Subscription of one group on some topics. Nothing connects before the first use; of one event loop."""

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[str],
        *,
        client_id: str = "ims",
        session_s: float = SESSION_S,
        hang_s: float = HANG_S,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = tuple(topics)
        self._client_id = client_id
        self._session_s = session_s
        self._hang_s = hang_s
        self._progress = Progress()
        self._lock = threading.Lock()  # of the buffer
        self._buffer: deque[Delivery] = deque()
        self._bytes = 0
        self._member: Member | None = None
        self._broken = False  # since the last member ended, until the next one is there
        self._heard = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._waits = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    async def fetch(self, limit: int) -> list[Delivery]:
        self._show()
        with self._lock:
            was_full = self._is_full()
            got = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
            self._bytes -= sum(len(d.data) for d in got)
            has_room = was_full and not self._is_full()
        member = self._member
        if has_room and member is not None:
            member.wake()
        if not got and (self._broken or (member is not None and member.away())):
            raise Unavailable("Kafka does not answer")
        return got

    async def wait(self, timeout_s: float) -> None:
        self._show()
        with self._lock:
            if self._buffer:
                return
            self._news.clear()
            self._waits = True
        try:
            async with asyncio.timeout(timeout_s):  # not wait_for: on 3.11 it forgets a cancellation that comes together with the news
                await self._news.wait()
        except TimeoutError:
            return
        finally:
            self._waits = False

    def finish(self, delivery: Delivery) -> None:
        self._progress.finish(self._partition(delivery), delivery.offset)

    async def commit(self) -> None:
        self._show()
        offsets = self._progress.moved()
        member = self._member
        if not offsets or member is None:
            return
        try:
            await self._answer(member.commit(offsets))
        except _NOT_NOW:
            log.info("log_commit_waits", group=self._group)

    async def lag(self) -> int:
        self._show()
        member = self._member
        if member is None:
            if self._broken:
                raise Unavailable("Kafka does not answer")
            return 0
        lag: int = await self._answer(member.lag())
        return lag

    async def close(self) -> None:
        if self._thread is None:
            return
        self._heard = time.monotonic()
        until = self._heard + _ANSWER_S
        while not self._closing.is_set():
            with contextlib.suppress(Unavailable):  # it comes again
                await self.commit()
            if not self._progress.moved() or self._broken or time.monotonic() > until:
                break
            await asyncio.sleep(_AGAIN_S / 5)
        self._closing.set()
        if self._member is not None:
            self._member.stop()
        until = time.monotonic() + _CLOSE_S
        while self._thread.is_alive() and time.monotonic() < until:
            await asyncio.sleep(0.02)
        if self._thread.is_alive():
            log.warning("log_consumer_left_behind", group=self._group)

    def _show(self) -> None:
        """The event loop is alive: members of groups must be."""
        self._heard = time.monotonic()
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._supervise, name=f"{self._group}-member", daemon=True)
            self._thread.start()

    async def _answer(self, future: Any) -> Any:
        """What a future of the library comes to, on the event loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def tell() -> None:
            if done.done():
                return
            if future.succeeded():
                done.set_result(future.value)
            else:
                done.set_exception(future.exception)

        future.add_both(lambda _: loop.is_closed() or loop.call_soon_threadsafe(tell))
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await done
        except TimeoutError:
            raise Unavailable("Kafka does not answer") from None
        except _NOT_NOW:
            raise
        except errors.KafkaError as exc:
            raise Unavailable(f"Kafka does not answer: {type(exc).__name__}") from exc

    def _partition(self, delivery: Delivery) -> Partition:
        return Partition(self._connection.named(delivery.topic), delivery.partition)

    # -- on the thread of the supervisor

    def _supervise(self) -> None:
        while not self._closing.is_set():
            error: BaseException | None = None
            try:
                self._member = member = Member(
                    self._connection,
                    self._group,
                    self._topics,
                    self._client_id,
                    self._progress,
                    arrived=self._arrived,
                    full=self._full,
                    forget=self._forget,
                    heard=lambda: self._heard,
                    session_s=self._session_s,
                    hang_s=self._hang_s,
                )
                self._broken = False
                if self._closing.is_set():
                    member.stop()
                error = self._until_ended(member)
            except Exception as exc:
                error = exc
            self._member = None
            mine = self._progress.lows()
            self._forget(mine)
            self._progress.lost(mine)
            if not self._closing.is_set():
                self._broken = True
                log.warning("log_consumer_broke", group=self._group, error=type(error).__name__)
                self._closing.wait(_AGAIN_S * random.uniform(0.8, 1.2))  # noqa: S311 - so that many do not come back at once
            while not self._closing.is_set() and time.monotonic() - self._heard > self._hang_s:
                self._closing.wait(_AGAIN_S)

    def _until_ended(self, member: Member) -> BaseException | None:
        while not member.ended.wait(_ANSWER_S):
            if member.stuck():
                break
        closing = threading.Thread(target=member.close, name=f"{self._group}-leaves", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        return member.error

    # -- on the I/O thread of a member

    def _arrived(self, deliveries: list[Delivery]) -> None:
        with self._lock:
            self._buffer.extend(deliveries)
            self._bytes += sum(len(d.data) for d in deliveries)
            waits = self._waits
        if waits and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def _full(self) -> bool:
        with self._lock:
            return self._is_full()

    def _is_full(self) -> bool:
        return len(self._buffer) >= _MOST_RECORDS or self._bytes >= _MOST_BYTES

    def _forget(self, partitions: Collection[Partition]) -> int:
        with self._lock:
            before = len(self._buffer)
            self._buffer = deque(d for d in self._buffer if self._partition(d) not in partitions)
            self._bytes = sum(len(d.data) for d in self._buffer)
            return before - len(self._buffer)
