"""Result arrays under two workers: called by one of them, handed out once, acknowledged, replayed (invariant 11)."""

from __future__ import annotations

import asyncio

import pytest

from ims.adapters.sql import changes
from ims.adapters.sql.queries import SqlResults
from ims.lanes import Lane
from ims.ports.records import Change, ResultArray
from ims.ports.results import Endpoint
from ims.protocol.ids import derived
from tests.contracts.records.conftest import NOW

URL = "https://acme.kr/ims"
ENDPOINT = derived(URL, "endpoint")


def array(n: int, *, count: int = 3, due_at: int = NOW, key: str = "key") -> ResultArray:
    return ResultArray(derived(f"cause{n}", "array"), key, URL, count, NOW + n, b"\xffbody", "k1", due_at)


@pytest.fixture
async def workers(records) -> list[SqlResults]:
    return [SqlResults(records.lanes()), SqlResults(records.lanes())]


@pytest.fixture
async def formed(records):
    async def form(*arrays: ResultArray, lane: Lane = Lane.REALTIME) -> list[str]:
        await records.lane(lane).write(lambda conn: changes.apply(conn, Change(arrays=list(arrays)), NOW))
        return [a.id for a in arrays]

    return form


async def test_two_workers_never_claim_the_same_array(workers, formed):
    ids = await formed(*(array(n) for n in range(40)))
    assert await workers[0].endpoints_due(Lane.REALTIME, NOW) == [Endpoint(ENDPOINT, 40)]
    pages = await asyncio.gather(*(workers[n % 2].claim(Lane.REALTIME, ENDPOINT, NOW, NOW + 60_000, 8) for n in range(8)))
    got = [a.id for page in pages for a in page]
    assert len(got) == len(set(got))
    got += [a.id for _ in range(6) for a in await workers[0].claim(Lane.REALTIME, ENDPOINT, NOW, NOW + 60_000, 8)]
    assert sorted(got) == sorted(ids)
    assert await workers[1].endpoints_due(Lane.REALTIME, NOW) == []
    assert len(await workers[1].claim(Lane.REALTIME, ENDPOINT, NOW + 60_000, NOW + 120_000, 100)) == 40, "a claim ends by itself"


async def test_a_call_is_marked_and_one_without_a_call_given_back(workers, formed):
    (one, other) = await formed(array(1), array(2))
    await workers[0].claim(Lane.REALTIME, ENDPOINT, NOW, NOW + 60_000, 5)
    await workers[0].called(Lane.REALTIME, one, acknowledged=True, calls=1, due_at=0)
    await workers[0].release(Lane.REALTIME, other, NOW + 5)
    (again,) = await workers[1].claim(Lane.REALTIME, ENDPOINT, NOW + 5, NOW + 9, 5)
    assert (again.id, again.calls, again.body) == (other, 0, b"\xffbody")
    assert await workers[1].known(Lane.REALTIME, [one, other, "none"]) == {one, other}


async def test_results_are_handed_out_once_in_order_over_all_lanes(workers, formed):
    await formed(*(array(n) for n in range(5)))
    await formed(array(9, count=2), lane=Lane.MASS)
    await formed(array(7, key="another"))
    first = await workers[0].lease("key", "batch1", NOW, NOW + 60_000, 7)
    assert [n for _, n in first] == [3, 3, 1]
    second = await workers[1].lease("key", "batch2", NOW, NOW + 60_000, 100)
    assert sum(n for _, n in second) == 3 + 3 + 2, "what is left of a cut array waits for its lease to end"
    assert await workers[1].acknowledge("key", "batch1")
    assert not await workers[1].acknowledge("key", "batch1")
    assert not await workers[1].acknowledge("another", "batch2")
    (rest,) = await workers[0].lease("key", "batch3", NOW, NOW + 60_000, 100)
    assert (rest[0].acked, rest[1]) == (1, 2)
    later = await workers[0].lease("key", "batch4", NOW + 60_000, NOW + 120_000, 100)
    assert sum(n for _, n in later) == 8 + 2, "a lease that nobody acknowledged ends, and its results come again"


async def test_two_that_poll_at_once_get_different_results(workers, formed):
    ids = await formed(*(array(n) for n in range(30)))
    pages = await asyncio.gather(*(workers[n % 2].lease("key", f"batch{n}", NOW, NOW + 60_000, 15) for n in range(6)))
    got = [a.id for page in pages for a, _ in page]
    assert len(got) == len(set(got)) and set(got) <= set(ids)


async def test_what_is_wholly_acknowledged_is_not_called_any_more_until_it_is_replayed(workers, formed):
    await formed(*(array(n) for n in range(4)))
    leased = await workers[0].lease("key", "batch1", NOW, NOW + 60_000, 4)
    assert [n for _, n in leased] == [3, 1]
    await workers[0].acknowledge("key", "batch1")
    assert await workers[0].endpoints_due(Lane.REALTIME, NOW) == [Endpoint(ENDPOINT, 3)]
    assert await workers[1].replay("key", NOW, NOW + 2, NOW + 100) == 6
    assert await workers[0].endpoints_due(Lane.REALTIME, NOW) == [Endpoint(ENDPOINT, 2)]
    assert await workers[0].endpoints_due(Lane.REALTIME, NOW + 100) == [Endpoint(ENDPOINT, 4)]
    again = await workers[0].lease("key", "batch2", NOW, NOW + 60_000, 100)
    assert sum(n for _, n in again) == 12
