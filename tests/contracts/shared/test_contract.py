"""What every shared store does, on one file, one Redis and a cluster of them."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from ims.ports.clock import system_clock
from ims.ports.shared import Shared

from .conftest import Store

FAST = 1e6  # a rate at which any bucket is full at once
SLOW = 1e-3  # one at which nothing comes within a test


async def filled(shared: Shared, bucket: str, burst: int) -> None:
    """A bucket that is full, whatever it began as."""
    await shared.draw(bucket, 0, FAST, burst)
    await asyncio.sleep(0.01)
    await shared.draw(bucket, 0, FAST, burst)


async def test_one_of_many_has_a_lease_and_keeps_it(store: Store) -> None:
    views = [store.view() for _ in range(4)]
    owners = [f"owner-{n}" for n in range(12)]
    got = await asyncio.gather(*(views[n % 4].lease("deadlines/auth", owner, 60) for n, owner in enumerate(owners)))
    assert got.count(True) == 1
    winner = owners[got.index(True)]
    assert [await views[n % 4].lease("deadlines/auth", owner, 60) for n, owner in enumerate(owners)] == [o == winner for o in owners]
    assert await views[0].lease("deadlines/mass", "owner-7", 60), "another lease is nobody's yet"


async def test_a_lease_that_was_not_renewed_is_anybodys(shared: Shared) -> None:
    assert await shared.lease("held/ad", "a", 0.05)
    await asyncio.sleep(0.1)
    assert await shared.lease("held/ad", "b", 60)
    assert not await shared.lease("held/ad", "a", 60)


async def test_a_bucket_gives_what_it_has_and_no_more(shared: Shared) -> None:
    await filled(shared, "rate/sim/fast", 10)
    assert [await shared.draw("rate/sim/fast", want, SLOW, 10) for want in (4, 4, 4, 4)] == [4, 4, 2, 0]
    assert await shared.draw("rate/sim/bulk", 1, FAST, 5) in (0, 1), "a bucket of its own"


async def test_a_bucket_fills_up_to_its_burst(shared: Shared) -> None:
    await filled(shared, "b", 5)
    assert await shared.draw("b", 5, SLOW, 5) == 5
    await asyncio.sleep(0.05)
    assert await shared.draw("b", 100, FAST, 5) == 5


async def test_whole_wants_are_served_whole_or_not_at_all(shared: Shared) -> None:
    assert await shared.draw("key/k", 3, SLOW, 5, whole=True) == 3, "a customer's first request finds it full"
    assert await shared.draw("key/k", 3, SLOW, 5, whole=True) == 0
    assert await shared.draw("key/k", 2, SLOW, 5, whole=True) == 2


async def test_a_want_above_the_burst_is_owed(shared: Shared) -> None:
    assert await shared.draw("key/k", 50, SLOW, 5, whole=True) == 50
    assert await shared.draw("key/k", 1, SLOW, 5, whole=True) == 0
    assert await shared.draw("key/k", 1, 1000, 5, whole=True) == 0, "45 are owed, so a refill of a few is not enough"


@pytest.mark.parametrize("processes", [2])
async def test_processes_together_never_exceed_the_rate(store: Store, processes: int) -> None:
    await store.view().draw("account", 0, 500, 50)
    started = time.monotonic()
    command = [sys.executable, str(Path(__file__).with_name("drawer.py")), store.kind, store.where, store.prefix, "500", "50", "1.0"]
    running = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)]
    drawn = [int((await p.communicate())[0]) for p in running]
    assert all(drawn), "both got something"
    assert sum(drawn) <= 50 + 500 * (time.monotonic() - started) + 1


async def test_a_daily_cap_counts_what_passed_and_starts_anew_each_day(store: Store) -> None:
    shared, other = store.view(), store.view()
    assert await shared.spend("key/k", "2026-11-25", 7, 10)
    assert not await other.spend("key/k", "2026-11-25", 4, 10)
    assert await other.spend("key/k", "2026-11-25", 3, 10)
    assert not await shared.spend("key/k", "2026-11-25", 1, 10)
    assert await shared.spend("key/k", "2026-11-26", 10, 10)
    assert await shared.spend("key/other", "2026-11-26", 1, 10)


async def test_a_cap_is_exact_under_a_race(store: Store) -> None:
    views = [store.view() for _ in range(3)]
    got = await asyncio.gather(*(views[n % 3].spend("c", "d", 1, 20) for n in range(60)))
    assert got.count(True) == 20


async def test_open_breakers_are_known_to_all_until_they_end_or_close(store: Store) -> None:
    here, there = store.view(), store.view()
    now = system_clock()()
    await here.announce_breaker("simulator/bulk", now + 60_000)
    await here.announce_breaker("callback/가나다", now + 90_000)
    await here.announce_breaker("soon over", now + 30)
    await asyncio.sleep(0.1)
    open_ = await there.open_breakers()
    assert set(open_) == {"simulator/bulk", "callback/가나다"}
    assert abs(open_["simulator/bulk"] - (now + 60_000)) < 5_000
    await there.announce_breaker("simulator/bulk", 0)
    await there.announce_breaker("never opened", 0)
    assert set(await here.open_breakers()) == {"callback/가나다"}


async def test_names_of_every_kind_are_names(shared: Shared) -> None:
    for name in ("가" * 26, "a b\nc", "{tag}", "x" * 80):
        assert await shared.lease(name, "owner: 한글", 60)
        assert not await shared.lease(name, "other", 60)
        assert await shared.draw(name, 1, SLOW, 3, whole=True) == 1
