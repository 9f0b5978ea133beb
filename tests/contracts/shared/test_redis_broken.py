"""A Redis that is killed, frozen, flushed, failed over: calls end as Unavailable in time, and work again by themselves."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable

import pytest

from ims.adapters.redis import RedisShared
from ims.errors import Unavailable
from infra.fixtures import Own

pytestmark = pytest.mark.services
Views = Callable[[str], RedisShared]
HUNG_S = 10.0  # many times what a call may take: it hangs


async def in_the_end(call: Callable[[], Awaitable[object]], seconds: float = 30) -> object:
    """What a call answers once the store is back."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


async def every_call_is_unavailable(shared: RedisShared) -> None:
    async with asyncio.timeout(HUNG_S):
        for call in (
            shared.lease("l", "o", 1),
            shared.draw("b", 1, 1, 1),
            shared.spend("c", "d", 1, 1),
            shared.announce_breaker("n", 2**45),
            shared.open_breakers(),
        ):
            with pytest.raises(Unavailable):
                await call


async def test_one_that_died_is_unavailable_and_works_again_once_it_is_back(redis_own: Own, views: Views) -> None:
    shared = views(redis_own.url)
    assert await shared.lease("l", "me", 60)
    redis_own.kill()
    await every_call_is_unavailable(shared)
    redis_own.start()
    assert await in_the_end(lambda: shared.lease("l", "me", 60))


async def test_one_that_was_never_there(views: Views) -> None:
    await every_call_is_unavailable(views("redis://127.0.0.1:1/0"))
    await every_call_is_unavailable(views("redis+cluster://127.0.0.1:1,127.0.0.1:2"))


async def test_one_that_hangs_costs_its_limit_once_and_then_nothing(redis_own: Own, views: Views) -> None:
    shared = views(redis_own.url)
    await shared.lease("l", "me", 60)
    redis_own.pause()
    try:
        await every_call_is_unavailable(shared)
        async with asyncio.timeout(HUNG_S):
            answers = await asyncio.gather(*(shared.draw("b", 1, 1, 1) for _ in range(500)), return_exceptions=True)
        assert {type(a) for a in answers} == {Unavailable}
    finally:
        redis_own.resume()
    assert await in_the_end(lambda: shared.lease("l", "me", 60))


async def test_a_flushed_bucket_hands_out_no_second_burst(redis_own: Own, views: Views) -> None:
    shared = views(redis_own.url)
    for _ in range(2):  # it begins empty, and is full as soon as time has passed at such a rate
        await shared.draw("b", 0, 1e6, 100)
        await asyncio.sleep(0.01)
    assert await shared.draw("b", 100, 1e-3, 100) == 100
    subprocess.run(["redis-cli", "-p", str(redis_own.port("redis")), "flushall"], check=True, capture_output=True)
    assert await shared.draw("b", 100, 1e-3, 100) == 0
    assert await shared.lease("l", "other", 60), "a lease is anybody's again, and the script too is loaded again"


async def test_a_wrong_password_is_unavailable_and_not_said(redis_own: Own, views: Views) -> None:
    wrong = redis_own.url.replace("//", "//:not-a-secret@")
    with pytest.raises(Unavailable) as caught:
        await views(wrong).lease("l", "o", 1)
    assert "not-a-secret" not in str(caught.value)


async def test_a_cluster_that_loses_a_master_goes_on_with_the_rest_and_then_with_all(redis_cluster_own: Own, views: Views) -> None:
    shared = views(redis_cluster_own.url)
    names = [f"lease-{n}" for n in range(40)]
    assert all([await shared.lease(name, "me", 60) for name in names])
    redis_cluster_own.kill("redis-cluster-1")
    at_once = await asyncio.gather(*(shared.lease(name, "me", 60) for name in names), return_exceptions=True)
    assert {type(a) for a in at_once} <= {bool, Unavailable}
    for name in names:  # a replica takes over after its time-out; what it did not have yet is nobody's, so it is ours again
        assert await in_the_end(lambda name=name: shared.lease(name, "me", 60)) is True
    redis_cluster_own.start("redis-cluster-1")
    assert all([await in_the_end(lambda name=name: shared.lease(name, "me", 60)) for name in names])


async def test_a_cluster_that_is_gone_and_back(redis_cluster_own: Own, views: Views) -> None:
    shared = views(redis_cluster_own.url)
    await in_the_end(lambda: shared.lease("l", "me", 60))
    redis_cluster_own.kill()
    await every_call_is_unavailable(shared)
    redis_cluster_own.start()
    assert await in_the_end(lambda: shared.lease("l", "me", 60), 60)
