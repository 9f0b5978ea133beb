"""What a Subscription promises, on each log."""

from __future__ import annotations

import asyncio
import contextlib
import time

from ims.adapters.kafka import member
from ims.errors import Unavailable
from ims.ports.log import Delivery, Subscription
from ims.ports.records import Change

from .logs import LANE, REPORT, RESULT, Log, records, until


async def read(subscription: Subscription, count: int, limit: int = 50, seconds: float = 15.0) -> list[Delivery]:
    """The next so many."""
    got: list[Delivery] = []
    end = time.monotonic() + seconds
    while len(got) < count:
        assert time.monotonic() < end, f"{len(got)} of {count} came"
        with contextlib.suppress(Unavailable):  # it comes back by itself
            got += await subscription.fetch(limit)
        if len(got) < count:
            await subscription.wait(0.2)
    return got


async def nothing_more(subscription: Subscription) -> bool:
    """A while in which something could have come."""
    await subscription.wait(0.3)
    return await subscription.fetch(50) == []


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.attributes["id"] for delivery in deliveries]


async def put(log: Log, count: int, topic: str = REPORT) -> list[str]:
    made = records(count, topic)
    await log.commit(LANE, Change(), made)
    return [record.id for record in made]


async def test_a_record_comes_as_it_was_appended(a_log):
    (record,) = records()
    await a_log.commit(LANE, Change(), [record])
    (got,) = await read(a_log.subscription("g", REPORT), 1)
    assert got.attributes == record.attributes
    assert got.data == record.data


async def test_records_of_a_partition_come_in_order_each_once(a_log):
    subscription = a_log.subscription("g", REPORT)
    put_in = [id_ for _ in range(5) for id_ in await put(a_log, 30)]
    got = await read(subscription, 150, limit=7)
    assert ids(got) == put_in
    assert await nothing_more(subscription)
    assert [d.offset for d in got] == sorted({d.offset for d in got})


async def test_fetch_gives_no_more_than_asked_for(a_log):
    await put(a_log, 10)
    subscription = a_log.subscription("g", REPORT)
    first = await read(subscription, 1, limit=3)
    assert len(first) <= 3


async def test_what_was_not_finished_comes_again_from_the_lowest(a_log):
    put_in = await put(a_log, 10)
    subscription = a_log.subscription("g", REPORT)
    for number, delivery in enumerate(await read(subscription, 10)):
        if number not in (3, 7):
            subscription.finish(delivery)
    await subscription.commit()
    await subscription.close()
    again = a_log.subscription("g", REPORT)
    assert ids(await read(again, 7)) == put_in[3:]


async def test_what_is_finished_but_not_committed_is_committed_by_close(a_log):
    await put(a_log, 5)
    subscription = a_log.subscription("g", REPORT)
    for delivery in await read(subscription, 5):
        subscription.finish(delivery)
    await subscription.close()
    again = a_log.subscription("g", REPORT)
    (later,) = await put(a_log, 1)
    assert ids(await read(again, 1)) == [later]


async def test_nothing_is_given_back_by_a_commit_of_nothing(a_log):
    await put(a_log, 3)
    subscription = a_log.subscription("g", REPORT)
    await subscription.commit()
    await read(subscription, 3)
    await subscription.commit()
    assert await nothing_more(subscription)


async def test_lag_counts_what_is_not_finished(a_log):
    await put(a_log, 8)
    subscription = a_log.subscription("g", REPORT)
    got = await read(subscription, 1, limit=2)
    assert await subscription.lag() == 8
    got += await read(subscription, 8 - len(got))
    for delivery in got[:6]:
        subscription.finish(delivery)
    assert await subscription.lag() == 2
    for delivery in got[6:]:
        subscription.finish(delivery)
    assert await subscription.lag() == 0
    await put(a_log, 2)
    got = await read(subscription, 2)
    assert await subscription.lag() == 2


async def test_wait_returns_when_something_comes(a_log):
    subscription = a_log.subscription("g", REPORT)
    assert await subscription.fetch(1) == []
    await subscription.wait(0.5)
    waiting = asyncio.create_task(subscription.wait(20))
    await asyncio.sleep(0.2)
    await put(a_log, 1)
    await read(subscription, 1)
    assert not waiting.done() or await waiting is None
    waiting.cancel()


async def test_two_groups_read_the_same_topic_each_for_itself(a_log):
    put_in = await put(a_log, 3, RESULT)
    for group in ("callback", "store"):
        subscription = a_log.subscription(group, RESULT)
        got = await read(subscription, 3)
        assert ids(got) == put_in
        for delivery in got:
            subscription.finish(delivery)
        assert await subscription.lag() == 0


async def test_one_group_reads_several_topics(a_log):
    subscription = a_log.subscription("g", REPORT, RESULT)
    put_in = {*await put(a_log, 3), *await put(a_log, 3, RESULT)}
    assert set(ids(await read(subscription, 6))) == put_in


async def test_a_closed_one_that_was_never_used_is_fine(a_log):
    await a_log.subscription("g", REPORT).close()


# What only a shared log has: members of one group.


async def test_members_share_the_partitions_and_nothing_is_lost(kafka_log):
    log = kafka_log(4)
    one, two = log.subscription("g", REPORT), log.subscription("g", REPORT)
    seen: dict[str, set[str]] = {"one": set(), "two": set()}
    working = [asyncio.create_task(work(s, seen[name])) for name, s in (("one", one), ("two", two))]
    put_in: set[str] = set()

    async def both_have_some() -> bool:
        put_in.update(await put(log, 8))
        await asyncio.sleep(0.1)
        return bool(seen["one"]) and bool(seen["two"])

    await eventually(both_have_some)
    await until(lambda: put_in == seen["one"] | seen["two"])
    await stop(working)


async def test_a_member_that_leaves_hands_over_at_once(kafka_log):
    log = kafka_log(4)
    one, two = log.subscription("g", REPORT), log.subscription("g", REPORT)
    first: set[str] = set()
    second: set[str] = set()
    working = [asyncio.create_task(work(one, first)), asyncio.create_task(work(two, second))]
    await put(log, 40)
    await until(lambda: len(first | second) == 40)
    await stop(working[:1])
    await one.close()
    second.clear()
    put_in = set(await put(log, 40))
    await until(lambda: put_in <= second)
    await stop(working)


async def test_records_of_a_partition_that_was_taken_away_finish_as_nothing(kafka_log):
    log = kafka_log(2)
    await put(log, 20)
    one = log.subscription("g", REPORT)
    held = await read(one, 20)
    two = log.subscription("g", REPORT)
    again = await read(two, 1, seconds=30)
    moved = {d.partition for d in again}
    for delivery in held:
        one.finish(delivery)
    await one.commit()
    await one.close()
    await two.close()
    three = log.subscription("g", REPORT)
    left = await read(three, 1)
    assert {d.partition for d in left} <= moved, "what the second had not finished comes again, whatever the first says of it"


async def test_rebalances_under_load_lose_nothing(kafka_log):
    log = kafka_log(6)
    seen: set[str] = set()
    steady = log.subscription("g", REPORT)
    working = [asyncio.create_task(work(steady, seen))]
    put_in: set[str] = set()
    for _ in range(4):
        coming = log.subscription("g", REPORT)
        helping = asyncio.create_task(work(coming, seen))
        for _ in range(10):
            put_in.update(await put(log, 5))
            await asyncio.sleep(0.05)
        await stop([helping])
        await coming.close()
    await until(lambda: put_in <= seen, 30)
    await stop(working)


async def test_a_partition_added_later_is_read_without_waiting_for_an_idle_fetch(kafka_log):
    """The second member leaves; what it had is fetched from brokers at which a fetch of the first already waits."""
    log = kafka_log(2)
    one, two = log.subscription("g", REPORT), log.subscription("g", REPORT)
    seen: set[str] = set()
    working = [asyncio.create_task(work(s, seen)) for s in (one, two)]
    put_in = set(await put(log, 10))
    await until(lambda: put_in <= seen)
    await stop(working[1:])
    await two.close()
    put_in = set(await put(log, 10))
    await until(lambda: put_in <= seen, 20)
    await stop(working)


async def test_an_event_loop_that_hangs_gives_its_partitions_up_and_comes_back(kafka_log):
    log = kafka_log(2)
    one = log.subscription("g", REPORT, hang_s=2.0)
    await put(log, 10)
    held = await read(one, 10)
    time.sleep(4.0)
    two = log.subscription("g", REPORT)
    assert len(await read(two, 10)) == 10, "somebody else has them"
    for delivery in held:
        one.finish(delivery)
    await two.close()
    assert len(await read(one, 10, seconds=30)) >= 10, "what the second did not finish comes to the first again"


async def work(subscription: Subscription, seen: set[str]) -> None:
    """Take everything, finish everything."""
    while True:
        got = await subscription.fetch(50)
        for delivery in got:
            seen.add(delivery.attributes["id"])
            subscription.finish(delivery)
        await subscription.commit()
        if not got:
            await subscription.wait(0.1)


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def eventually(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen in time"


async def test_a_member_that_reads_nothing_any_more_is_replaced(kafka_log, monkeypatch):
    """An answer that the library lost: it would wait for ever, and say nothing."""
    log = kafka_log(2)
    subscription = log.subscription("g", REPORT)
    await put(log, 5)
    for delivery in await read(subscription, 5):
        subscription.finish(delivery)
    await subscription.commit()
    wedged = subscription._member
    for partition in wedged._state.assigned_partitions():
        wedged._state.pause(partition)  # stands for whatever keeps it from being asked for
    with monkeypatch.context() as patch:  # only for this one: the next may need longer than that to join
        patch.setattr(member, "WEDGED_S", 3.0)
        await until(lambda: subscription._member is not wedged)
    later = await put(log, 5)
    assert sorted(ids(await read(subscription, 5, seconds=60))) == sorted(later)
    assert subscription._member is not wedged
    assert await nothing_more(subscription)
