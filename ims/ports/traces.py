"""What each stage did with each event, kept for `ims why` and for latencies. Nothing that decides reads it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ims.lanes import Lane
from ims.protocol.events import Trace

# Upper bounds in microseconds; the last bucket is open. Percentiles are read from these, on every store alike.
BUCKETS_US = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """Events of one stage and lane in a period, by outcome, with their times in BUCKETS_US (one more for what is above)."""

    stage: str
    lane: str
    outcome: str  # done, conflict, later, poison, fault
    events: int
    rows: int
    took_us: int  # all of them together
    buckets: tuple[int, ...]


class Traces(Protocol):
    """Written by `analyze` in bulk; the same trace written twice is kept once and counted at least once."""

    async def write(self, lane: Lane, traces: Sequence[Trace]) -> None:
        """Keep traces and add them to the statistics of their hour. Unavailable when the store is away."""
        ...

    async def about(self, lane: Lane, birth: str, event_ids: Collection[str]) -> list[Trace]:
        """What stages did with the birth's events, and with others that are known to concern it; in the order of time."""
        ...

    async def statistics(self, from_ms: int, to_ms: int) -> list[StageStatistics]:
        """Of the hours that begin within the period, over all lanes."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
