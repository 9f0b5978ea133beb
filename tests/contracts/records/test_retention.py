"""Forgetting by the day: what is kept stays to the row, what goes goes whole, twice and beside writers."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from sqlalchemy import create_engine

from ims.adapters.sql import acceptance, changes, partitions
from ims.adapters.sql.acceptance import Slices
from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.lane_tables import metadata
from ims.adapters.sql.retention import drop_page
from ims.adapters.sql.server import ServerDatabase
from ims.lanes import Lane
from ims.ports.dispatch import Dispatch
from ims.ports.records import Birth, Change, HistoryRow, ResultArray
from ims.protocol.envelope import Record
from ims.protocol.ids import day_in, day_of, derived, first_of_day, new_birth
from tests.contracts.records.conftest import LIMITS, NOW, Records, home_of

DAY = 86_400_000
LANE = Lane.REALTIME
TABLES = ("payloads", "dispatches", "history")


def fill(at: int):
    """A whole birth event as it is after a while."""
    birth = new_birth(LANE, at)
    row = HistoryRow(
        birth, 0, 1, "key", "m", "", "SMS", "DELIVERED", "0000", "simulator", "", 1, "010", b"\x00" * 12, "", "", at, at, at, at, at, "MT"
    )
    array = ResultArray(derived(birth, "array"), "key", "", 1, at, b"x", "k1", 0)
    stored = Birth(birth, LANE, "key", "mt", 1, at, Record("RECV", {"id": birth}, b"sealed"))

    def job(conn) -> str:
        acceptance.store_births(conn, [stored], ["{}"])
        changes.apply(conn, Change(dispatches=[Dispatch(birth, 0, at, at)], history=[row], arrays=[array]), at)
        return birth

    return job


async def left(db) -> dict[str, set[int]]:
    """Which days each table still holds, as days before today."""

    def job(conn):
        found = {}
        for table in TABLES:
            found[table] = {day_of(NOW) - day_in(row[0]) for row in conn.exec_driver_sql(f"SELECT birth FROM {table}")}
        found["arrays"] = {day_of(NOW) - day_of(row[0]) for row in conn.exec_driver_sql("SELECT created_at FROM arrays")}
        return found

    return await db.read(job)


@pytest.fixture(params=["sqlite", "mariadb"])
async def records(request, tmp_path):
    """A lane's database of the test's own: what was cut stays cut."""
    if request.param == "sqlite":
        made = Records(home_of(tmp_path), server=False)
    else:
        address = ServerAddress.parse(f"{request.getfixturevalue('mariadb').url}_{secrets.token_hex(3)}")
        server = create_engine(address.url("pymysql"))
        with server.connect() as conn:
            conn.exec_driver_sql(f"CREATE DATABASE {address.database(LANE)}")
        server.dispose()
        lane = create_engine(address.url("pymysql", address.database(LANE)))
        metadata.create_all(lane, tables=[t for t in metadata.sorted_tables if not t.info.get("embedded")])
        lane.dispose()
        made = Records(lambda part: ServerDatabase(address, address.database(part), LIMITS), server=True)
    yield made
    await made.close()


@pytest.fixture
async def filled(records):
    """Today and days back, each in its own day; a server has no partition for the older ones: the first takes them."""
    db = records.lane(LANE)
    await db.write(lambda conn: drop_page(conn, Slices(), LANE, NOW, NOW - 90 * DAY))
    for back in (0, 1, 2, 3, 4, 10):
        await db.write(fill(NOW - back * DAY))
    return db


async def drained(db, keep_from: int, now: int = NOW) -> list[int]:
    pages = []
    while not pages or pages[-1]:
        pages.append(await db.write(lambda conn: drop_page(conn, Slices(), LANE, now, keep_from)))
        assert len(pages) < 20
    return pages


async def test_nothing_goes_before_its_time(filled):
    assert await drained(filled, NOW - 11 * DAY) == [0]
    assert await left(filled) == {t: {0, 1, 2, 3, 4, 10} for t in (*TABLES, "arrays")}


async def test_days_go_whole_and_what_protects_against_doubles_stays_two_days(records):
    """As time goes by: each day is written on its day, and the job runs every day."""
    db = records.lane(LANE)
    for back in range(6, -1, -1):
        now = NOW - back * DAY
        await db.write(fill(now))
        await drained(db, now - 3 * DAY, now)
    found = await left(db)
    assert found["history"] == {0, 1, 2, 3} and found["arrays"] == {0, 1, 2, 3}
    await drained(db, NOW)  # somebody who keeps no history at all
    found = await left(db)
    assert found["payloads"] == found["dispatches"] == {0, 1, 2}
    assert found["history"] == {0} and found["arrays"] == {0}


async def test_it_runs_twice_at_once_and_beside_writers(records):
    one, other, writer = records.lane(LANE), records.lane(LANE), records.lane(LANE)
    for back in (5, 4):
        await one.write(fill(NOW - back * DAY))
    written: list[str] = []
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            written.append(await writer.write(fill(NOW)))

    writing = asyncio.create_task(write())
    for db in (one, other) * 3:
        await asyncio.gather(*(d.write(lambda conn: drop_page(conn, Slices(), LANE, NOW, NOW - 3 * DAY)) for d in (one, db, other)))
    stop.set()
    await writing
    kept = {row[0] for row in await one.read(lambda conn: conn.exec_driver_sql("SELECT birth FROM payloads").fetchall())}
    assert set(written) <= kept and written


async def test_days_that_were_not_cut_in_time_are_cut_out_of_the_rest(records):
    if not records.server:
        pytest.skip("a file is not cut")
    db = records.lane(LANE)
    late = NOW + 40 * DAY  # the job was away for a month; rows went to the last partition all the same
    births = [await db.write(fill(late + n * DAY)) for n in (0, 1)]
    await db.write(lambda conn: partitions.cut_ahead(conn, LANE, day_of(late)))
    days = await db.read(lambda conn: partitions.days(conn, "payloads"))
    assert days[-1] == day_of(late) + partitions.AHEAD_DAYS and days == list(range(days[0], days[-1] + 1))
    kept = {row[0] for row in await db.read(lambda conn: conn.exec_driver_sql("SELECT birth FROM payloads").fetchall())}
    assert set(births) <= kept
    inside = f"SELECT birth FROM payloads PARTITION (d{day_of(late)})"
    assert [tuple(r) for r in await db.read(lambda conn: conn.exec_driver_sql(inside).fetchall())] == [(births[0],)]


@pytest.mark.parametrize("lane", list(Lane))
def test_every_birth_of_a_day_is_within_it_and_no_other(lane):
    for day in (day_of(NOW), 32_767 - 1):
        for at in (day * DAY, day * DAY + 1, (day + 1) * DAY - 1):
            assert first_of_day(lane, day) <= new_birth(lane, at) < first_of_day(lane, day + 1)
