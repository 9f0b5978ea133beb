"""Percentiles from buckets, against the times themselves."""

from __future__ import annotations

import random

import pytest

from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US
from ims.protocol.events import Trace
from ims.rules.latency import HOUR_MS, by_hour, percentile


def buckets(times: list[int]) -> tuple[int, ...]:
    made = [
        Trace(stage="s", event_id=str(i), event_type="", birth="", trace_id="", at=5, took_us=t, rows=1, outcome="done")
        for i, t in enumerate(times)
    ]
    [[found]] = by_hour(Lane.AUTH, made).values()
    return found.buckets


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_lies_in_the_bucket_of_the_true_one(share: float) -> None:
    chance = random.Random(3)
    times = sorted(int(chance.lognormvariate(9, 1)) for _ in range(5000))
    true = times[int(share * len(times)) - 1]
    upper = next(b for b in BUCKETS_US if b >= true)
    lower = max((b for b in BUCKETS_US if b < true), default=0)
    assert lower <= percentile(buckets(times), share) <= upper


def test_edges() -> None:
    assert percentile([0] * (len(BUCKETS_US) + 1), 0.5) == 0
    assert percentile(buckets([BUCKETS_US[-1] * 3]), 0.5) == BUCKETS_US[-1]
    assert percentile(buckets([BUCKETS_US[0]]), 1.0) == BUCKETS_US[0]
    assert percentile(buckets([10, 10, 10, BUCKETS_US[-1] * 3]), 0.5) <= BUCKETS_US[0]


def test_hours_are_told_apart() -> None:
    made = [
        Trace(stage="s", event_id="e", event_type="", birth="", trace_id="", at=at, took_us=1, rows=1, outcome="done")
        for at in (HOUR_MS - 1, HOUR_MS, 2 * HOUR_MS - 1)
    ]
    assert {hour: s[0].events for hour, s in by_hour(Lane.AUTH, made).items()} == {0: 1, HOUR_MS: 2}
