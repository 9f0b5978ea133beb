"""What every store of traces does: keeps each once, finds those of a message in order, adds up hours."""

from __future__ import annotations

import asyncio

from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US, Traces
from ims.protocol.events import Trace
from ims.rules.latency import HOUR_MS

NOW = 1_795_402_800_000 - 1_795_402_800_000 % HOUR_MS


def trace(n: int, **fields: object) -> Trace:
    given = {"stage": "route", "event_id": f"e{n}", "event_type": "ims.message.accepted.v1", "birth": f"b{n}", "trace_id": "t" * 32}
    return Trace(**{**given, "at": NOW + n, "took_us": 1500, "rows": 2, "outcome": "done", "note": "", **fields})  # type: ignore[arg-type]


async def test_those_of_a_birth_and_of_named_events_come_in_the_order_of_time(traces: Traces) -> None:
    mine = [trace(n, birth="mine", stage=f"s{n}") for n in range(5)]
    named = trace(9, event_id="settled", at=NOW + 2)
    await traces.write(Lane.MASS, [mine[4], mine[0], named, trace(7), mine[2]])
    await traces.write(Lane.MASS, [mine[1], mine[3]])
    found = await traces.about(Lane.MASS, "mine", ["settled", "never seen"])
    assert [t.at for t in found] == sorted(t.at for t in [*mine, named])
    assert sorted(found, key=lambda t: t.stage) == sorted([*mine, named], key=lambda t: t.stage)


async def test_nothing_is_found_of_a_message_that_nobody_saw(traces: Traces) -> None:
    await traces.write(Lane.AD, [])
    assert await traces.about(Lane.AD, "b1", []) == []


async def test_a_lane_knows_only_its_own(traces: Traces) -> None:
    await traces.write(Lane.AUTH, [trace(1)])
    assert await traces.about(Lane.AD, "b1", ["e1"]) == []
    assert await traces.about(Lane.AUTH, "b1", []) == [trace(1)]


async def test_the_same_again_is_kept_once_and_another_stage_of_the_event_too(traces: Traces) -> None:
    for _ in range(2):
        await traces.write(Lane.MASS, [trace(1), trace(1, stage="store")])
    assert await traces.about(Lane.MASS, "b1", []) in ([trace(1), trace(1, stage="store")], [trace(1, stage="store"), trace(1)])


async def test_korean_and_long_notes_come_back_as_they_were(traces: Traces) -> None:
    odd = trace(1, note="다음 단계: 🙂 " + "가" * 180, event_id="e" * 80)
    await traces.write(Lane.MASS, [odd])
    assert await traces.about(Lane.MASS, "b1", []) == [odd]


async def test_hours_are_added_up_by_stage_lane_and_outcome(traces: Traces) -> None:
    slow = trace(3, took_us=BUCKETS_US[-1] + 1, rows=7)
    await traces.write(Lane.MASS, [trace(1), trace(2, outcome="later"), slow])
    await traces.write(Lane.MASS, [trace(4, took_us=BUCKETS_US[0]), trace(5, at=NOW + HOUR_MS)])
    await traces.write(Lane.AUTH, [trace(6)])
    found = {(s.stage, s.lane, s.outcome): s for s in await traces.statistics(NOW, NOW + 1)}
    assert set(found) == {("route", "mass", "done"), ("route", "mass", "later"), ("route", "auth", "done")}
    mass = found["route", "mass", "done"]
    assert (mass.events, mass.rows, mass.took_us) == (3, 11, 1500 + BUCKETS_US[-1] + 1 + BUCKETS_US[0])
    assert mass.buckets == (1, 1, *[0] * (len(BUCKETS_US) - 2), 1)


async def test_a_period_takes_the_hours_that_begin_in_it(traces: Traces) -> None:
    await traces.write(Lane.MASS, [trace(n, at=NOW + n * HOUR_MS + 5) for n in range(4)])
    assert await traces.statistics(NOW + 3 * HOUR_MS + 1, NOW + 9 * HOUR_MS) == []
    [hours] = await traces.statistics(NOW + HOUR_MS, NOW + 3 * HOUR_MS)
    assert (hours.events, sum(hours.buckets)) == (2, 2)


async def test_writers_side_by_side_lose_no_count(traces: Traces) -> None:
    parts = [[trace(n * 100 + i) for i in range(50)] for n in range(8)]
    await asyncio.gather(*(traces.write(Lane.MASS, part) for part in parts))
    [hour] = await traces.statistics(NOW, NOW + 1)
    assert hour.events == 400
    assert len(await traces.about(Lane.MASS, "", [f"e{n * 100 + 7}" for n in range(8)])) == 8
