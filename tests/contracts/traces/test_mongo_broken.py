"""MongoDB that is killed or frozen: Unavailable in time, and it works again by itself; its indexes are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from ims.adapters.mongo import MongoTraces
from ims.errors import Misconfigured, Unavailable
from ims.lanes import Lane
from infra.fixtures import Own

from .conftest import of_its_own
from .test_contract import trace

pytestmark = pytest.mark.services
HUNG_S = 30.0  # many times the limit of a call


@pytest.fixture
async def mine(mongo_own: Own) -> AsyncIterator[MongoTraces]:
    made = MongoTraces(of_its_own(mongo_own.url), time_limit_s=1.0)
    await works_in_the_end(made)  # a server that has just started is slower than that beside others
    yield made
    await made.close()


async def every_call_is_unavailable(traces: MongoTraces) -> None:
    async with asyncio.timeout(HUNG_S):
        for call in (traces.write(Lane.AUTH, [trace(1)]), traces.about(Lane.AUTH, "b1", ["e"]), traces.statistics(0, 1)):
            with pytest.raises(Unavailable):
                await call


async def works_in_the_end(traces: MongoTraces) -> None:
    end = time.monotonic() + HUNG_S
    while True:
        try:
            await traces.write(Lane.AUTH, [trace(2)])
        except Unavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
        else:
            break
    assert await traces.about(Lane.AUTH, "b2", []) == [trace(2)]


async def test_one_that_hangs(mongo_own: Own, mine: MongoTraces) -> None:
    await mine.write(Lane.AUTH, [trace(1)])
    mongo_own.pause()
    try:
        await every_call_is_unavailable(mine)
    finally:
        mongo_own.resume()
    await works_in_the_end(mine)


async def test_one_that_died_and_came_back(mongo_own: Own, mine: MongoTraces) -> None:
    await mine.write(Lane.AUTH, [trace(1)])
    mongo_own.kill()
    await every_call_is_unavailable(mine)
    mongo_own.start()
    await works_in_the_end(mine)


async def test_who_is_cut_off_while_it_waits_for_a_connection(mine: MongoTraces) -> None:
    """pymongo's lock was seen to answer such a cancellation with an error of its own, while MongoDB was away under load."""
    mine._indexed = True
    with pytest.raises(Unavailable):
        async with mine._in_time():
            try:
                await asyncio.sleep(HUNG_S)
            except asyncio.CancelledError:
                raise RuntimeError("Lock is not acquired") from None
    with pytest.raises(RuntimeError):
        async with mine._in_time():
            raise RuntimeError("a fault of ours")


async def test_everything_has_an_end_and_queries_their_index(mongo_own: Own) -> None:
    url = of_its_own(mongo_own.url)
    traces = MongoTraces(url)
    await traces.write(Lane.AUTH, [trace(1)])
    await traces.close()
    async with AsyncMongoClient(url) as client:
        database = client.get_default_database()
        kept = await database["traces"].index_information()
        hours = await database["stage_hours"].index_information()
    assert {"by_birth", "by_event", "until"} <= set(kept)
    assert kept["until"]["expireAfterSeconds"] == 2 * 86_400
    assert hours["until"]["expireAfterSeconds"] == 15 * 86_400


@pytest.mark.parametrize("url", ["http://somewhere", "mongodb://a:port/x", "mongodb://u:p@ss@h"])
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        MongoTraces(url)
    assert url not in str(caught.value)
