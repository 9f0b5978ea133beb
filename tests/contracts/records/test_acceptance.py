"""The acceptance key decides, alone or against another process (invariant 2)."""

from __future__ import annotations

import asyncio

import pytest

from ims.adapters.sql import acceptance
from ims.adapters.sql.acceptance import Slices
from ims.lanes import Lane
from ims.ports.records import Birth, Reservation
from ims.protocol.envelope import Record
from ims.protocol.ids import day_of, new_birth
from tests.contracts.records.conftest import NOW

DAY = 86_400_000
MIDNIGHT = (day_of(NOW) + 1) * DAY
HOUR = 3_600_000


def key(n: int) -> bytes:
    return b"%015d\xff" % n


def taken(birth: str, *numbers: int, at: int = NOW) -> list[Reservation]:
    return [Reservation(key(n), b"\x00digest%1d" % (n % 10), birth, pos, at) for pos, n in enumerate(numbers)]


class Desk:
    """One process that accepts."""

    def __init__(self, db) -> None:
        self.db = db
        self.slices = Slices()

    async def reserve(self, rows: list[Reservation], at: int = NOW, *, accepted: bool = True):
        await self.db.write(lambda conn: self.slices.create(conn, acceptance.days_of(at)))

        def job(conn):
            if found := acceptance.reserve(conn, rows, at, accepted=accepted):
                raise LookupError(found)
            return []

        try:
            return await self.db.write(job, durable=True)
        except LookupError as exc:
            return exc.args[0]

    async def find(self, *numbers: int, at: int = NOW):
        await self.db.write(lambda conn: self.slices.create(conn, acceptance.days_of(at)))
        found = await self.db.read(lambda conn: acceptance.find(conn, [key(n) for n in numbers], at))
        return {n: found[key(n)].birth for n in numbers if key(n) in found}


@pytest.fixture
def desks(records):
    return Desk(records.lane()), Desk(records.lane())


async def test_a_key_is_taken_once_and_all_or_nothing(desks):
    one, other = desks
    assert await one.reserve(taken("b1", 1, 2)) == []
    assert [e.birth for e in await other.reserve(taken("b2", 2, 3))] == ["b1"]
    assert await one.find(1, 2, 3) == {1: "b1", 2: "b1"}


async def test_of_two_processes_exactly_one_takes_a_key(desks):
    for round_ in range(12):
        numbers = range(round_ * 100, round_ * 100 + 30)
        answers = await asyncio.gather(*(desk.reserve(taken(f"b{i}", *numbers)) for i, desk in enumerate(desks)))
        assert sorted(len(a) > 0 for a in answers) == [False, True], "one is fresh, one is told"
        winner = answers.index([])
        assert {e.birth for e in answers[1 - winner]} == {f"b{winner}"}
        assert set((await desks[0].find(*numbers)).values()) == {f"b{winner}"}


async def test_keys_in_another_order_make_no_ring(desks):
    for round_ in range(12):
        numbers = list(range(1000 + round_ * 100, 1000 + round_ * 100 + 40))
        orders = numbers, numbers[::-1]
        answers = await asyncio.gather(*(d.reserve(taken(f"b{i}", *o)) for i, (d, o) in enumerate(zip(desks, orders, strict=True))))
        assert sorted(len(a) > 0 for a in answers) == [False, True]


async def test_the_same_acceptance_again_finds_its_own(desks):
    rows = taken("b1", 1, 2)
    assert await desks[0].reserve(rows) == []
    assert await desks[0].reserve(rows) == []
    assert await desks[1].find(1, 2) == {1: "b1", 2: "b1"}


@pytest.mark.parametrize("hours", [23, 25])
async def test_a_key_is_free_after_a_day(desks, hours):
    one, _ = desks
    assert await one.reserve(taken("b1", 1)) == []
    again = NOW + hours * HOUR
    found = await one.reserve(taken("b2", 1, at=again), again)
    assert [e.birth for e in found] == (["b1"] if hours < 24 else [])
    assert await one.find(1, at=again) == {1: "b1" if hours < 24 else "b2"}


@pytest.mark.parametrize(("here", "there"), [(-60_000, 60_000), (-200_000, 100_000), (60_000, -60_000)])
async def test_two_clocks_around_midnight_meet_on_one_key(desks, here, there):
    one, other = desks
    a, b = MIDNIGHT + here, MIDNIGHT + there
    answers = await asyncio.gather(one.reserve(taken("b1", 1, at=a), a), other.reserve(taken("b2", 1, at=b), b))
    assert sorted(len(found) for found in answers) == [0, 1]
    assert len(set((await one.find(1, at=a)).values()) | set((await other.find(1, at=b)).values())) == 1


async def test_yesterdays_key_is_found_before_and_after_midnight(desks):
    one, other = desks
    evening, morning = MIDNIGHT - 2 * HOUR, MIDNIGHT + 2 * HOUR
    assert await one.reserve(taken("b1", 1, at=evening), evening) == []
    assert [e.birth for e in await other.reserve(taken("b2", 1, at=morning), morning)] == ["b1"]


async def test_of_two_that_find_an_old_row_in_the_way_one_takes_it(desks):
    """Just after midnight yesterday's slice is written too, and holds keys of more than 24 hours ago."""
    one, other = desks
    old, now = MIDNIGHT - DAY + 30_000, MIDNIGHT + 60_000
    for n in range(20):
        assert await one.reserve(taken("b0", n, at=old), old) == []
        answers = await asyncio.gather(one.reserve(taken("b1", n, at=now), now), other.reserve(taken("b2", n, at=now), now))
        assert sorted(len(found) for found in answers) == [0, 1]


def birth(n: int = 3, at: int = NOW) -> Birth:
    id_ = new_birth(Lane.REALTIME, at)
    return Birth(id_, Lane.REALTIME, "key", "mt", n, at, Record("RECV-MT-realtime", {"id": id_}, b"sealed\xff"))


async def test_births_are_stored_once_and_the_fresh_ones_are_told(records):
    db = records.lane()
    first, second, third = births = [birth() for _ in range(3)]

    def store(some):
        return lambda conn: [b.id for b in acceptance.store_births(conn, some, ["{}"] * len(some))]

    assert await db.write(store([first])) == [first.id]
    assert await db.write(store([first])) == []
    assert await db.write(store(births)) == [second.id, third.id]
    others = [birth() for _ in range(5)]
    answers = await asyncio.gather(records.lane().write(store(others)), records.lane().write(store(others)))
    assert sorted(len(a) for a in answers) == [0, 5]


async def test_rows_are_approved_and_counted_once(records):
    one, other = Desk(records.lane()), Desk(records.lane())
    whole = birth(250)
    rows = taken(whole.id, *range(250))
    assert await one.reserve(rows, accepted=False) == []

    def approve(conn):
        acceptance.approve(conn, [(whole, [r.key for r in rows])], acceptance.days_of(NOW))
        return

    await asyncio.gather(one.db.write(approve), other.db.write(approve))
    counted = await one.db.read(lambda conn: conn.exec_driver_sql("SELECT result, count FROM daily").fetchall())
    assert [tuple(row) for row in counted] == [("RECEIVED", 250)]
    found = await one.db.read(lambda conn: acceptance.find(conn, [r.key for r in rows], NOW))
    assert len(found) == 250 and all(e.accepted for e in found.values())


async def test_a_key_is_found_in_any_kept_slice_and_slices_are_dropped(records):
    desk = Desk(records.lane())
    for back in (0, 3, 5):
        at = NOW - back * DAY
        await desk.reserve(taken(f"b{back}", back, at=at), at)

    def ever(conn):
        days = desk.slices.existing(conn)
        return {n for n in range(6) if acceptance.find_ever(conn, [key(n)], days)}

    assert await desk.db.read(ever) == {0, 3, 5}
    dropped = await asyncio.gather(*(desk.db.write(lambda conn: desk.slices.drop_before(conn, day_of(NOW) - 3)) for _ in range(2)))
    assert max(dropped) > 0
    assert await desk.db.read(ever) == {0, 3}
