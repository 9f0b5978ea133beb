"""The event log: appending to it, and reading it as consumer groups do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ims.lanes import Lane
from ims.protocol.envelope import Record
from ims.topics import SourceOf


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record on its way to a function."""

    topic: str
    partition: int
    offset: int
    attributes: dict[str, str]
    data: bytes


class Appender(Protocol):
    """Puts records into the log where the log is not the state's own database."""

    async def append(self, records: Sequence[Record]) -> None:
        """Return when every record is durable (Kafka: acknowledged by min.insync replicas).

        Unavailable: the log does not take them now; some may be in it, and the same append may be repeated, since every
        reader knows events by their ids. Misconfigured: it never will (not authorised, no such topic). TooLarge: one of
        them, named by its id and size, is larger than the log allows; the others may be in it.
        """
        ...

    async def close(self) -> None:
        """Wait (bounded) for what is on its way, then let go."""
        ...


class Subscription(Protocol):
    """The topics of one stage and lane, for one consumer group.

    After a crash, everything from the lowest unfinished offset of each partition comes again.
    """

    async def fetch(self, limit: int) -> list[Delivery]:
        """What is there now, in log order per partition, each record once; empty when there is nothing.

        Unavailable when the log is away.
        """
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when something new may be there, at the latest after the time-out."""
        ...

    def finish(self, delivery: Delivery) -> None:
        """The record is handled: with all before it finished, it will not come again after the next commit.

        A record of a partition that was taken away meanwhile is somebody else's now: nothing happens.
        """
        ...

    async def commit(self) -> None:
        """Store how far the group has come."""
        ...

    async def lag(self) -> int:
        """Records not finished yet."""
        ...

    async def close(self) -> None:
        """Commit and leave the group, so that another member has the partitions at once."""
        ...


class Reader(Protocol):
    """The log as one process that dispatches it has it."""

    async def take(self, lanes: Collection[Lane], stages: Collection[str], wait_s: float) -> None:
        """Become a reader of these stages' legs of the lanes.

        Where there can be one only, wait so long for another to go; then Misconfigured.
        """
        ...

    def subscribe(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, Subscription]]:
        """A subscription for each source of these stages, of these lanes. Topics without a lane come with the mass lane."""
        ...

    async def lags(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[SourceOf, int]]:
        """How many records each source's group has not finished, without becoming a member of it."""
        ...

    def upkeep(self, lanes: Collection[Lane], stages: Collection[str]) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        """What a reader of these stages does for the log beside reading it: (every so many seconds, what)."""
        ...

    def release(self) -> None:
        """Let another have the lanes; the subscriptions are closed."""
        ...
