"""A lane file: group commit, jobs that fail alone, files that cannot be written."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import threading

import pytest
from sqlalchemy import Connection

from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile, _wal_index
from ims.errors import Conflict, Unavailable
from ims.lanes import Lane
from ims.topics import Leg


def create(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")


def put(n: int):
    return lambda conn: conn.exec_driver_sql("INSERT INTO t VALUES (?)", (n,))


@pytest.fixture
def file(tmp_path):
    made = LaneFile(tmp_path / "lane.db", create)
    yield made
    made.close()


async def numbers(file):
    return await file.read(lambda conn: [r[0] for r in conn.exec_driver_sql("SELECT n FROM t ORDER BY n")])


async def test_jobs_share_a_commit_and_one_that_fails_fails_alone(file):
    await file.write(put(0), durable=True)
    before = file.syncs

    def bad(conn):
        put(99)(conn)
        raise Conflict("moved on")

    jobs = [file.write(put(n), durable=True) for n in range(1, 30)] + [file.write(bad, durable=True)]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(o) for o in outcomes if isinstance(o, Exception)] == [Conflict]
    assert await numbers(file) == list(range(30)), "the failed job left nothing behind"
    assert file.syncs - before < 10, "thirty durable jobs, few syncs"


async def test_a_write_that_need_not_be_durable_waits_for_no_disk(file):
    await file.write(put(1), durable=True)
    before = file.syncs
    await file.write(put(2))
    assert file.syncs == before


async def test_committed_writes_survive_a_process_that_never_closed(file, tmp_path):
    await file.write(put(7))
    other = sqlite3.connect(tmp_path / "lane.db")
    assert other.execute("SELECT n FROM t").fetchall() == [(7,)]
    other.close()


async def test_others_write_while_one_waits_for_the_disk(file, monkeypatch, tmp_path):
    begun, ended = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        begun.set()
        assert ended.wait(30)

    monkeypatch.setattr("ims.adapters.embedded.files.sync", slow)
    other = LaneFile(tmp_path / "lane.db", create)
    synced = asyncio.create_task(file.write(put(1), durable=True))
    await asyncio.to_thread(begun.wait, 30)
    await asyncio.wait_for(other.write(put(2)), 30)
    assert not synced.done()
    ended.set()
    await synced
    assert await numbers(file) == [1, 2]
    other.close()


async def test_who_need_not_wait_for_the_disk_is_told_before(file, monkeypatch):
    """Both in one commit: what holds the writer up meanwhile is a job."""
    ended, held = threading.Event(), threading.Event()
    await file.write(put(0))
    monkeypatch.setattr("ims.adapters.embedded.files.sync", lambda _: ended.wait(30))
    before = asyncio.create_task(file.write(lambda _conn: held.wait(30)))
    await asyncio.sleep(0)
    durable, plain = (asyncio.create_task(file.write(put(n), durable=n == 1)) for n in (1, 2))
    await asyncio.sleep(0)
    held.set()
    await before
    await asyncio.wait_for(plain, 30)
    assert not durable.done()
    ended.set()
    await durable
    assert await numbers(file) == [0, 1, 2]


async def test_a_sync_that_failed_is_not_believed_the_next_time(file, monkeypatch, tmp_path):
    """The system may forget what it could not write: the next promise is made when the file itself holds it."""
    await file.write(put(0), durable=True)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("ims.adapters.embedded.files.sync", broken)
        with pytest.raises(Unavailable):
            await file.write(put(1), durable=True)
    await file.write(put(2), durable=True)
    shutil.copy(tmp_path / "lane.db", tmp_path / "alone.db")  # without its log
    alone = sqlite3.connect(tmp_path / "alone.db")
    assert (1,) in alone.execute("SELECT n FROM t").fetchall()
    alone.close()


async def test_the_last_to_close_a_file_folds_its_write_ahead_log_back(tmp_path):
    first, last = (LaneFile(tmp_path / "lane.db", create) for _ in range(2))
    for n, file in enumerate((first, last)):
        await file.write(put(n))
        await numbers(file)
        await file.read(lambda conn: None, few=True)
    first.close()
    assert (tmp_path / "lane.db-wal").exists()
    last.close()
    assert sorted(path.name for path in tmp_path.glob("lane.db*")) == ["lane.db", "lane.db.lock"]


async def test_two_files_on_one_path_take_turns(file, tmp_path):
    """Two processes, in effect: each has its own threads and connections."""
    other = LaneFile(tmp_path / "lane.db", create)
    await asyncio.gather(*(f.write(put(n), durable=True) for n, f in enumerate([file, other] * 25)))
    assert len(await numbers(file)) == 50
    other.close()


async def test_a_file_that_cannot_be_made_is_unavailable(tmp_path):
    file = LaneFile(tmp_path / "nowhere" / "lane.db", create)
    with pytest.raises(Unavailable):
        await file.write(put(1))
    with pytest.raises(Unavailable):
        await file.write(put(1))
    file.close()


async def test_a_closed_file_says_so(file):
    await file.write(put(1))
    file.close()
    with pytest.raises(Unavailable):
        await file.write(put(2))


async def test_a_large_log_is_folded_back(file, monkeypatch, tmp_path):
    monkeypatch.setattr("ims.adapters.embedded.files.WAL_RESTART_BYTES", 2_000_000)
    monkeypatch.setattr("ims.adapters.embedded.files.FOLD_PAGES", 100)

    def much(conn):
        conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS b (x BLOB)")
        for _ in range(400):
            conn.exec_driver_sql("INSERT INTO b VALUES (?)", (os.urandom(8_000),))

    await file.write(much)
    assert (tmp_path / "lane.db-wal").stat().st_size > 2_000_000
    await file.checkpoint()
    assert (tmp_path / "lane.db-wal").stat().st_size == 0


async def test_a_small_log_is_folded_back_when_nobody_writes(file, tmp_path):
    shm = tmp_path / "lane.db-shm"
    await file.write(put(1))
    await file.checkpoint()
    await file.write(put(2))
    await file.checkpoint()
    written, folded, _ = _wal_index(shm)
    assert (written > 0, folded) == (True, 0)
    await file.checkpoint()
    assert _wal_index(shm)[:2] == (written, written)


async def test_a_file_that_nobody_looks_after_folds_itself(tmp_path):
    file = LaneFile(tmp_path / "shared.db", create, kept=False)
    for n in range(1_200):
        await file.write(put(n))
    written, folded, _ = _wal_index(tmp_path / "shared.db-shm")
    assert written + folded < 1_200, "it grew with every write"
    file.close()


async def test_rings_reach_the_listener_and_those_that_do_not_fit_come_later(tmp_path):
    ringing, listening = Bells(tmp_path), Bells(tmp_path)
    heard: set[str] = set()
    ringing.ring(Lane.AD, {"nobody listens"})
    listening.listen(Lane.AD, Leg.BACK, heard.update)
    for n in range(2_000):
        ringing.ring(Lane.AD, {f"topic-{n}"})
    for _ in range(100):
        await asyncio.sleep(0.01)
        if len(heard) == 2_000:
            break
    assert heard == {f"topic-{n}" for n in range(2_000)}
    ringing.close()
    listening.close()
