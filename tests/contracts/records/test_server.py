"""A server that locks, dies, hangs and comes back: what is run again, what is unknown, and what a limit ends."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from ims.adapters.sql import migrate
from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.lane_tables import audit
from ims.adapters.sql.server import ServerDatabase, ServerLimits, StatementFailed
from ims.adapters.sql.statements import once
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.protocol.ids import day_of
from ims.telemetry import RECORDS_AGAIN
from tests.contracts.records.conftest import NOW

_audit = once(audit, [c.name for c in audit.columns])


def entry(id_: str) -> tuple[object, ...]:
    return (id_, 1, "who", "action", "0105550", "note")


def put(*ids: str):
    return lambda conn: _audit.many(conn, [entry(i) for i in ids])


async def count(db: ServerDatabase) -> int:
    return (await db.read(lambda conn: conn.exec_driver_sql("SELECT COUNT(*) FROM audit").fetchone()))[0]


def again(db: ServerDatabase, why: str) -> float:
    return RECORDS_AGAIN.labels(db.name, why)._value.get()


@pytest.fixture
async def opened(server_address):
    made: list[ServerDatabase] = []

    def make(**limits: float) -> ServerDatabase:
        made.append(ServerDatabase(server_address, server_address.database(Lane.AUTH), ServerLimits(**limits)))
        return made[-1]

    yield make
    for db in made:
        await db.close()


async def test_a_deadlock_is_run_again_and_both_are_written(opened):
    db = opened()
    await db.write(put("a", "b"))
    one, two = "UPDATE audit SET at = at + 1 WHERE id = 'a'", "UPDATE audit SET at = at + 1 WHERE id = 'b'"

    def crossing(first: str, second: str):
        def job(conn):
            conn.exec_driver_sql(first)
            conn.exec_driver_sql("SELECT SLEEP(0.3)")
            conn.exec_driver_sql(second)

        return job

    await asyncio.gather(db.write(crossing(one, two)), db.write(crossing(two, one)))
    assert [tuple(r) for r in await db.read(lambda conn: conn.exec_driver_sql("SELECT at FROM audit").fetchall())] == [(3,), (3,)]
    assert again(db, "error 1213") >= 1


async def test_a_lock_that_is_not_let_go_ends_in_unavailable_and_leaves_nothing(opened):
    holder, waiting = opened(), opened(lock_wait_s=1, job_s=4)
    await holder.write(put("a"))
    held, over = asyncio.Event(), asyncio.Event()

    def hold(conn):
        conn.exec_driver_sql("UPDATE audit SET at = 2 WHERE id = 'a'")
        held.set()
        for _ in range(70):
            if over.is_set():
                return
            conn.exec_driver_sql("SELECT SLEEP(0.1)")

    holding = asyncio.create_task(holder.write(hold))
    await held.wait()

    def blocked(conn):
        _audit.run(conn, *entry("b"))
        conn.exec_driver_sql("UPDATE audit SET at = 3 WHERE id = 'a'")

    tried = asyncio.create_task(waiting.write(blocked))
    await asyncio.sleep(2.5)
    assert again(waiting, "error 1205") >= 1
    tried.cancel()
    over.set()
    await holding
    await asyncio.gather(tried, return_exceptions=True)
    assert await count(holder) == 1


async def test_limits_end_what_takes_too_long_and_the_connection_is_good_again(opened):
    db = opened(statement_s=0.5, job_s=2, connections=1)
    with pytest.raises(Unavailable, match="1969"):  # the server's own limit
        await db.read(lambda conn: conn.exec_driver_sql("SELECT SLEEP(3) FROM (SELECT 1) a").fetchall())
    slow = opened(job_s=1, connections=1)
    with pytest.raises(Unavailable, match="TimeoutError"):  # ours
        await slow.write(lambda conn: (_audit.run(conn, *entry("late")), conn.exec_driver_sql("SELECT SLEEP(5)")))
    assert await slow.write(put("x")) == 1
    assert await count(db) == 1, "what was cut off is undone"


async def test_a_job_waits_so_long_for_a_free_connection_and_no_longer(opened):
    db = opened(connections=1, free_connection_s=0.3)
    busy = asyncio.create_task(db.read(lambda conn: conn.exec_driver_sql("SELECT SLEEP(2)").fetchall()))
    await asyncio.sleep(0.5)
    with pytest.raises(Unavailable):
        await db.read(lambda conn: None)
    await busy
    assert await count(db) == 0


async def test_a_cancelled_job_is_undone_and_its_connection_not_used_again(opened):
    db = opened(connections=1)
    task = asyncio.create_task(db.write(lambda conn: (_audit.run(conn, *entry("a")), conn.exec_driver_sql("SELECT SLEEP(3)"))))
    await asyncio.sleep(0.7)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await db.write(put("b")) == 1
    assert await count(db) == 1


async def test_connections_that_were_cut_are_replaced_without_a_word(opened):
    db = opened(connections=2)
    await asyncio.gather(*(db.write(put(f"a{n}")) for n in range(4)))
    killer = opened(connections=1)
    mine = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    for (id_,) in await killer.read(lambda conn: conn.exec_driver_sql(mine).fetchall()):
        await killer.read(lambda conn, id_=id_: conn.exec_driver_sql(f"KILL {id_}").close())
    assert await db.write(put("b")) == 1
    assert await count(db) == 5


async def test_a_wrong_statement_is_a_fault_named_by_its_number_alone(opened):
    db = opened()
    await db.write(put("a"))
    for job in (
        lambda conn: conn.exec_driver_sql("INSERT INTO audit VALUES (%s, 1, %s, 'x', 'x', 'x')", ("a", "01055500000")),
        lambda conn: conn.exec_driver_sql("UPDATE audit SET who = %s", ("01055500000" * 40,)),
    ):
        with pytest.raises(StatementFailed) as failed:
            await db.write(job)
        assert "0105550" not in str(failed.value) + repr(failed.value.__context__ and str(failed.value.__cause__))
    assert await db.write(put("b")) == 1


async def test_a_closed_database_is_unavailable(opened):
    db = opened()
    await count(db)
    await db.close()
    with pytest.raises(Unavailable):
        await db.read(lambda conn: None)


# --- a server that dies and hangs


@pytest.fixture
async def mortal(mariadb_own):
    address = ServerAddress.parse(f"{mariadb_own.url}_{secrets.token_hex(3)}")
    migrate.migrate_server(address, day_of(NOW))
    db = ServerDatabase(address, address.database(Lane.AUTH), ServerLimits(job_s=3, connect_s=1))
    yield mariadb_own, db
    await db.close()


async def test_killed_it_is_unavailable_then_back_with_all_that_was_committed(mortal):
    server, db = mortal
    stop = asyncio.Event()
    done: list[str] = []

    async def writer(who: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            try:
                await db.write(put(f"{who}-{n}"), durable=True)
                done.append(f"{who}-{n}")
            except Unavailable:
                await asyncio.sleep(0.05)

    writers = [asyncio.create_task(writer(w)) for w in range(4)]
    await asyncio.sleep(0.7)
    await asyncio.to_thread(server.kill)
    with pytest.raises(Unavailable):
        await db.read(lambda conn: conn.exec_driver_sql("SELECT 1").fetchone())
    assert done
    await asyncio.to_thread(server.start)
    before = len(done)
    for _ in range(100):
        if len(done) > before + 4:
            break
        await asyncio.sleep(0.1)
    stop.set()
    await asyncio.gather(*writers)
    assert len(done) > before, "the same process writes again"
    kept = {row[0] for row in await db.read(lambda conn: conn.exec_driver_sql("SELECT id FROM audit").fetchall())}
    assert set(done) <= kept, "what was answered is there"


async def test_frozen_it_is_unavailable_within_its_limit_and_back_after(mortal):
    server, db = mortal
    await db.write(put("a"))
    server.pause()
    try:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(db.write(put("b")), 10)
    finally:
        server.resume()
    assert await db.write(put("c")) == 1


async def test_a_single_statement_is_its_own_commit_and_lost_on_its_way_it_is_unknown(mortal):
    server, db = mortal
    runs: list[int] = []

    def job(conn):
        runs.append(1)
        server.pause()
        return _audit.run(conn, *entry("s"))

    assert await db.write(put("r"), single=True) == 1
    try:
        with pytest.raises(Unavailable, match="outcome is unknown"):
            await db.write(job, single=True)
    finally:
        server.resume()
    assert runs == [1]
    assert await db.write(put("s"), single=True) in (0, 1)
    assert await db.read(lambda conn: conn.exec_driver_sql("SELECT COUNT(*) FROM audit WHERE id IN ('r', 's')").fetchone()) == (2,)


async def test_a_connection_lost_while_committing_is_unknown_and_not_repeated(mortal):
    server, db = mortal
    runs: list[int] = []

    def job(conn):
        runs.append(_audit.run(conn, *entry("a")))
        server.pause()  # the next that is said is COMMIT

    try:
        with pytest.raises(Unavailable, match="outcome is unknown"):
            await db.write(job)
    finally:
        server.resume()
    assert runs == [1]
    assert await db.write(put("a")) in (0, 1), "asked for again it is there once, whatever became of it"
    assert await db.read(lambda conn: conn.exec_driver_sql("SELECT COUNT(*) FROM audit WHERE id = 'a'").fetchone()) == (1,)
