"""What feeds a Service limits it: the window of a consumer, its pace, retries, the provider's rate."""

from __future__ import annotations

import pytest

from ims.lanes import Lane
from ims.scaling.knobs import Feeding, Knobs
from ims.scaling.measured import Delivery, StageCost
from ims.scaling.revision import Revision
from ims.scaling.service import Batch, Feed, Line, Rate, Service

SOURCE = Delivery(source="test", p50_ms=0, p90_ms=0, small_per_s=4400, large_per_s=715, open_per_consumer=49, silence_s=10)
FREE = StageCost(source="test", cpu_event_ms=0, cpu_message_us=0, wait_p50_ms=0, wait_p90_ms=0)
ONE = Batch(Lane.MASS, 1)


def service(*, cost: StageCost = FREE, far_s: float = 0.0, consumers: int = 1, rate: float = 0, **knobs: object) -> Service:
    line = Line(Rate(rate)) if rate else None
    made = Service("s", Revision(Knobs.model_validate({"min_scale": 1, **knobs}), 3.0), cost, [0.0], far=[far_s], line=line)
    made.feed = Feed(SOURCE, consumers, Feeding(), [0.0])
    return made


def handled_in(s: Service, seconds: int, events: int, batch: Batch = ONE, start: int = 0) -> int:
    """So many events are there at the start; how many were answered within the time."""
    done: list[float] = []
    s.onward = lambda at, batch: done.append(at)
    for _ in range(events):
        s.put(float(start), batch)
    for second in range(start, start + seconds):
        s.step(second)
    return sum(1 for at in done if at <= start + seconds)


@pytest.mark.parametrize(("consumers", "per_s"), [(1, 49), (2, 98)])
def test_a_consumer_holds_49_requests_open(consumers: int, per_s: int) -> None:
    """Seen in the real dispatcher with a sink of 1 s: 48.7 a second, 96 with two consumers."""
    assert handled_in(service(far_s=1.0, consumers=consumers, max_scale=1), 20, 5_000) == pytest.approx(per_s * 20, rel=0.06)


def test_a_fast_sink_is_limited_by_the_consumer_s_pace() -> None:
    assert handled_in(service(max_scale=1), 5, 50_000) == pytest.approx(4_400 * 5, rel=0.02)
    assert handled_in(service(max_scale=1), 5, 50_000, Batch(Lane.MASS, 200)) == pytest.approx(715 * 5, rel=0.02)


def test_one_processor_does_a_second_of_work_a_second() -> None:
    cost = StageCost(source="test", cpu_event_ms=10, cpu_message_us=0, wait_p50_ms=0, wait_p90_ms=0)
    assert handled_in(service(cost=cost, max_scale=1), 10, 5_000) == pytest.approx(1_000, rel=0.02)
    half = service(cost=cost, max_scale=1, cpu_limit="500m")
    half.slowness = 1 / half.revision.speed
    assert handled_in(half, 10, 5_000) == pytest.approx(500, rel=0.02)


def test_container_concurrency_is_what_a_pod_works_on_at_once() -> None:
    assert handled_in(service(far_s=1.0, max_scale=1, container_concurrency=10, target_burst_capacity=-1), 20, 5_000) == pytest.approx(
        200, rel=0.06
    )


def test_no_more_pods_than_what_is_fed_can_fill() -> None:
    """49 open requests at a target of 7 a pod ask for seven pods, however long the lag."""
    s = service(far_s=1.0, target=10.0)
    handled_in(s, 120, 20_000)
    assert len(s.revision.pods) == 7


def test_a_full_queue_proxy_answers_503_and_the_event_keeps_its_place() -> None:
    """containerConcurrency 1, one pod: 1 + 10 are taken, the rest of 98 is refused while the activator is out of the path."""
    s = service(far_s=1.0, consumers=2, max_scale=1, container_concurrency=1, target_burst_capacity=0)
    assert handled_in(s, 60, 200) <= 60
    assert s.refused > 0
    assert len(s.waiting) + s.handled - s.refused >= 200  # none is lost
    behind_it = service(far_s=1.0, consumers=2, max_scale=1, container_concurrency=1, target_burst_capacity=-1)
    handled_in(behind_it, 60, 200)
    assert behind_it.refused == 0


@pytest.mark.parametrize(("policy", "waits"), [("exponential", [0.4, 0.8, 1.6]), ("linear", [0.2, 0.4, 0.6])])
def test_retries_wait_as_the_real_dispatcher_s(policy: str, waits: list[float]) -> None:
    feed = Feed(SOURCE, 1, Feeding.model_validate({"backoff_policy": policy}), [0.0])
    assert [feed.retry_s(attempt) for attempt in (1, 2, 3)] == pytest.approx(waits)


def test_a_source_whose_dispatcher_restarts_is_silent() -> None:
    s = service()
    assert s.feed
    s.feed.silent = (2.0, 12.0)
    assert handled_in(s, 11, 10, start=3) == 10
    assert s.delivering_s == pytest.approx(10 * 9, rel=0.01)  # all of them waited from 3 to 12


def test_an_account_s_rate_is_a_bucket_of_a_second() -> None:
    rate = Rate(100)
    assert [rate.turn(0.0, 1) for _ in range(100)] == pytest.approx([0.0] * 100)
    assert rate.turn(0.0, 1) == pytest.approx(0.01)
    assert rate.turn(10.0, 1) == 10.0  # it is full again


def test_a_call_larger_than_the_bucket_empties_it_for_as_long_as_it_is_large() -> None:
    rate = Rate(140)
    assert rate.turn(0.0, 200) == 0.0
    assert rate.turn(0.0, 200) == pytest.approx(200 / 140)
    assert Rate(0).turn(5.0, 10**6) == 5.0


def test_who_would_wait_too_long_is_parked_and_comes_again() -> None:
    s = service(rate=100)
    many = Batch(Lane.MASS, 200)
    assert handled_in(s, 200, 80, many) == 80  # 16,000 at 100 a second, the first two seconds from a full bucket
    assert s.parked > 0
    assert not s.held
    assert s.held_back["provider rate"] > 100


def test_two_lanes_share_a_rate_and_none_takes_the_other_s_turn() -> None:
    rate = Rate(100)
    mass, ad = Line(rate), Line(rate)
    taken = {"mass": 0, "ad": 0}
    for tenth in range(6_000):  # both always want more
        for name, line in (("mass", mass), ("ad", ad)):
            while line.turn(tenth / 10, 200) is not None:
                taken[name] += 200
    assert taken["mass"] + taken["ad"] == pytest.approx(100 * 600 + 2 * 20 * 100, rel=0.02)  # ten minutes', and the two lines
    assert taken["mass"] == pytest.approx(taken["ad"], rel=0.15)


def test_what_comes_during_a_commit_shares_the_next_event() -> None:
    s = Service("intake", Revision(Knobs(min_scale=1), 3.0), FREE, [0.1], gathers=True)
    out: list[tuple[float, int]] = []
    s.onward = lambda at, batch: out.append((round(at, 3), batch.messages))
    for at in (0.0, 0.02, 0.05, 0.5):
        s.put(at, Batch(Lane.AUTH, 1, (at,)))
    s.step(0)
    assert out == [(0.1, 1), (0.2, 2), (0.6, 1)]  # a lone one waits for nothing; two came while it was committed


def test_what_stands_for_many_costs_as_many() -> None:
    cost = StageCost(source="test", cpu_event_ms=10, cpu_message_us=0, wait_p50_ms=0, wait_p90_ms=0)
    s = service(cost=cost, max_scale=1)
    s.put(0.0, Batch(Lane.AUTH, 1, times=8))
    s.step(0)
    assert s.handled == 8
    assert s.working_s == pytest.approx(8 * 0.08)
