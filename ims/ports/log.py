"""Reading the event log as a consumer group does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record on its way to a function."""

    topic: str
    partition: int
    offset: int
    attributes: dict[str, str]
    data: bytes


class Subscription(Protocol):
    """The topics of one stage and lane, for one consumer group.

    After a crash, everything from the lowest unfinished offset of each partition comes again.
    """

    async def fetch(self, limit: int) -> list[Delivery]:
        """What is there now, in log order per partition, each record once; empty when there is nothing."""
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when something new may be there, at the latest after the time-out."""
        ...

    def finish(self, delivery: Delivery) -> None:
        """The record is handled: with all before it finished, it will not come again after the next commit."""
        ...

    async def commit(self) -> None:
        """Store how far the group has come."""
        ...

    async def lag(self) -> int:
        """Records not finished yet."""
        ...
