"""An account's rate goes to whoever came first."""

from __future__ import annotations

import asyncio

import pytest

from ims.errors import Unavailable
from ims.runtime.rates import ALONE, WAIT_S, Rates


class Bucket:
    """Refills at a rate as the clock is moved by those who wait."""

    def __init__(self, rate: float) -> None:
        self.rate, self.now, self.at, self.tokens, self.drawn = rate, 0.0, 0.0, rate, 0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        del bucket, whole
        assert rate_per_s == self.rate
        self.tokens = min(burst, self.tokens + (self.now - self.at) * self.rate)
        self.at = self.now
        part = min(want, int(self.tokens + 1e-9))
        self.tokens -= part
        self.drawn += part
        return part


async def test_of_a_crowd_those_who_can_be_served_in_time_are_and_nothing_is_drawn_in_vain():
    bucket = Bucket(200)
    rates = Rates(bucket.sleep)
    answers = await asyncio.gather(*(rates.take(bucket, "bulk", 200, 200) for _ in range(50)))
    served = answers.count(0.0)
    assert served == 21  # one at once, then one a second
    assert bucket.drawn == served * 200
    assert all(9 <= rest <= 20 for rest in answers if rest)
    assert bucket.now == pytest.approx(20, abs=0.1)


async def test_who_comes_later_does_not_overtake():
    bucket, order = Bucket(10), []
    rates = Rates(bucket.sleep)

    async def one(name: str, want: int) -> None:
        await rates.take(bucket, "bulk", want, 10)
        order.append(name)

    await asyncio.gather(one("large", 100), one("small", 1))
    assert order == ["large", "small"]


async def test_a_slow_account_serves_a_whole_batch_in_the_end():
    bucket = Bucket(5)
    assert await Rates(bucket.sleep).take(bucket, "bulk", 200, 5) == 0
    assert bucket.drawn == 200


async def test_accounts_do_not_wait_for_each_other():
    fast, bulk = Bucket(10), Bucket(10)
    rates = Rates(bulk.sleep)
    waiting = asyncio.create_task(rates.take(bulk, "bulk", 150, 10))
    await asyncio.sleep(0)
    assert await rates.take(fast, "fast", 5, 10) == 0
    assert not waiting.done()
    await waiting


async def test_it_gives_up_when_others_draw_all_of_it():
    class Empty(Bucket):
        async def draw(self, *_args: object, **_more: object) -> int:
            return 0

    bucket = Empty(100)
    assert 2 <= await Rates(bucket.sleep).take(bucket, "bulk", 100, 100) <= 10


class Gone(Bucket):
    """Shared buckets that are away."""

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        raise Unavailable("away")


async def test_without_shared_buckets_each_process_goes_on_at_its_share():
    bucket = Gone(100)
    rates = Rates(bucket.sleep, lambda: bucket.now)
    for _ in range(50):
        assert await rates.take(bucket, "fast", 1, 100) == 0
    assert bucket.now >= 50 / (100 * ALONE) - 0.1
    assert bucket.now < WAIT_S


async def test_without_shared_buckets_a_large_batch_is_slower_but_goes():
    bucket = Gone(200)
    assert await Rates(bucket.sleep, lambda: bucket.now).take(bucket, "bulk", 200, 200) == 0
    assert bucket.now == pytest.approx(200 / (200 * ALONE), abs=1.1)


async def test_an_idle_while_without_them_saves_up_no_burst():
    bucket = Gone(100)
    rates = Rates(bucket.sleep, lambda: bucket.now)
    await rates.take(bucket, "fast", 1, 100)
    began = bucket.now = 1000.0
    for _ in range(30):
        await rates.take(bucket, "fast", 1, 100)
    assert bucket.now - began >= (30 - 100 * ALONE) / (100 * ALONE) - 0.1
