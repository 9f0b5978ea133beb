"""Times of events added up in buckets, and the percentiles that are read from them: the same on every store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US, StageStatistics
from ims.protocol.events import Trace

HOUR_MS = 3_600_000


def by_hour(lane: Lane, traces: Iterable[Trace]) -> dict[int, list[StageStatistics]]:
    """What traces add to the statistics of the hours (their first millisecond) in which they lie."""
    sums: dict[tuple[int, str, str], list[int]] = {}
    for t in traces:
        key = (t.at - t.at % HOUR_MS, t.stage, t.outcome)
        found = sums.get(key)
        if found is None:
            found = sums[key] = [0] * (4 + len(BUCKETS_US))
        found[0] += 1
        found[1] += t.rows
        found[2] += t.took_us
        found[3 + bisect_left(BUCKETS_US, t.took_us)] += 1
    hours: dict[int, list[StageStatistics]] = {}
    for (hour, stage, outcome), (events, rows, took_us, *buckets) in sums.items():
        hours.setdefault(hour, []).append(StageStatistics(stage, lane.value, outcome, events, rows, took_us, tuple(buckets)))
    return hours


def percentile(buckets: Sequence[int], share: float) -> float:
    """The time in microseconds that `share` (0 to 1) of the events took at most, taken as even within a bucket.

    What lies in the open bucket took at least the last bound, which is then the answer. 0 when there is nothing.
    """
    wanted = share * sum(buckets)
    below = 0
    for i, count in enumerate(buckets):
        if count and below + count >= wanted:
            if i == len(BUCKETS_US):
                break
            lower = BUCKETS_US[i - 1] if i else 0
            return lower + (BUCKETS_US[i] - lower) * max(0.0, wanted - below) / count
        below += count
    return float(BUCKETS_US[-1]) if below or sum(buckets) else 0.0
