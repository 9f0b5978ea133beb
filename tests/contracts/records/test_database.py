"""The Database port: whole or not at all, own errors stay one's own, one process sees what another committed."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from ims.adapters.sql.database import Raced
from ims.adapters.sql.lane_tables import audit, daily
from ims.adapters.sql.statements import Statement, once, or_change
from ims.errors import Conflict

_audit = once(audit, [c.name for c in audit.columns])
_count = or_change(daily, [c.name for c in daily.columns], lambda stored, given: {"count": stored.count + given.count})
_ids = Statement(select(audit.c.id).order_by(audit.c.id), [])


def entry(id_: str) -> tuple[object, ...]:
    return (id_, 1, "who", "action", "target", "note")


def ids(conn):
    return [row[0] for row in _ids.all(conn)]


async def test_what_one_process_commits_the_other_reads(records):
    one, other = records.lane(), records.lane()
    assert await one.read(ids) == []
    assert await one.write(lambda conn: _audit.many(conn, [entry("a"), entry("b")])) == 2
    assert await other.read(ids) == ["a", "b"]


async def test_a_job_that_fails_leaves_nothing_and_its_error_is_raised(records):
    db = records.lane()

    def job(conn):
        _audit.run(conn, *entry("a"))
        raise Conflict("somebody was faster")

    with pytest.raises(Conflict, match="somebody was faster"):
        await db.write(job, durable=True)
    assert await db.read(ids) == []
    await db.write(lambda conn: _audit.run(conn, *entry("b")))
    assert await db.read(ids) == ["b"]


async def test_a_job_beside_one_that_fails_is_written(records):
    db = records.lane()

    def bad(conn):
        _audit.run(conn, *entry("bad"))
        raise ValueError("a fault of the job")

    jobs = [db.write(lambda conn, n=n: _audit.run(conn, *entry(f"good{n}"))) for n in range(3)]
    done = await asyncio.gather(jobs[0], db.write(bad), *jobs[1:], return_exceptions=True)
    assert [type(d) for d in done] == [int, ValueError, int, int]
    assert await db.read(ids) == ["good0", "good1", "good2"]


async def test_counts_mean_the_same_everywhere(records):
    def job(conn):
        return [
            _audit.run(conn, *entry("a")),
            _audit.run(conn, *entry("a")),  # kept
            _audit.many(conn, [entry("a"), entry("b"), entry("c")]),
            _audit.many(conn, []),
            conn.execute(update(audit).where(audit.c.id == "a").values(at=1)).rowcount,  # found, though nothing changes
            conn.execute(update(audit).where(audit.c.id == "x").values(at=1)).rowcount,
        ]

    assert await records.lane().write(job) == [1, 0, 2, 0, 1, 0]


async def test_an_insert_that_changes_what_is_there_adds_up(records):
    db = records.lane()
    rows = [("2026-09-21", "key", "SMS", "DELIVERED", 2), ("2026-09-21", "key", "SMS", "FAILED", 1)]
    await db.write(lambda conn: _count.many(conn, rows))
    await db.write(lambda conn: _count.many(conn, rows))
    counted = await db.read(lambda conn: conn.execute(select(daily.c.result, daily.c.count).order_by(daily.c.result)).fetchall())
    assert [tuple(row) for row in counted] == [("DELIVERED", 4), ("FAILED", 2)]


async def test_bytes_and_texts_come_back_as_they_were(records):
    text, odd = "한글 😀 %s %% ' \\ \n", "a "
    db = records.lane()
    await db.write(lambda conn: _audit.many(conn, [("i1", 2**40, text, "x", odd, ""), ("i2", 1, odd, "x", "", "")]))
    rows = await db.read(lambda conn: conn.execute(select(audit.c.at, audit.c.who, audit.c.target).order_by(audit.c.id)).fetchall())
    assert [tuple(row) for row in rows] == [(2**40, text, odd), (1, odd, "")]


async def test_a_job_that_raced_is_run_again(records):
    if not records.server:
        pytest.skip("a file has one writer: nothing races")
    tries = []

    def job(conn):
        tries.append(_audit.run(conn, *entry("a")))
        if len(tries) < 3:
            raise Raced("seen as missing")
        return "done"

    assert await records.lane().write(job) == "done"
    assert tries == [1, 1, 1]
