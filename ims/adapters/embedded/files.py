"""A SQLite file with one writer thread, group commit, and one reader thread.

Writers of several processes queue on a flock, not on SQLite's busy handler: the handler sleeps up to 100 ms between
tries, a flock wakes its next holder at once. Jobs that arrive while a commit is on its way share the next one.
kill -9 keeps every committed write; only `durable` writes also survive power loss: they are told after a sync of the log, which
is made when the lock is free again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from ims.errors import Unavailable
from ims.telemetry import log

T = TypeVar("T")
Job = Callable[[Connection], Any]

GROUP_JOBS = 64  # jobs in one commit at most: the first of them must not wait for a crowd
# A fold syncs the file, and whoever syncs beside it waits for the disk: at 20 one-time codes a second, 80 KB each, one every
# 2 s is met by one in a hundred. So it waits for that much, or for a moment in which nobody writes.
FOLD_PAGES = 12_000  # 48 MB
_ITSELF_PAGES = 1_000
WAL_RESTART_BYTES = 64 * 1024 * 1024  # past this the log is folded back under the lock, so that it cannot grow for ever
_FEW_PAGES = 2_000  # 8 MB: what may be left to be folded back under the lock
_FOLDS = 4  # tries beside the writers, before that
# secure_delete: by default Debian's SQLite writes zeros over every page that is given up, 48 KB for each trimmed event
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16000", "temp_store=MEMORY", "mmap_size=0", "secure_delete=FAST")


def sync(descriptor: int) -> None:
    """What was written to a file reaches the disk. Its times may be lost, its size not."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


class _Pending:
    __slots__ = ("durable", "error", "future", "job", "loop", "value")

    def __init__(self, job: Job, durable: bool, loop: asyncio.AbstractEventLoop) -> None:
        self.job = job
        self.durable = durable
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.value: Any = None
        self.error: BaseException | None = None


def _of_the_file(exc: BaseException) -> bool:
    """Whether the file is at fault (full, read-only, locked, corrupted) rather than what was asked of it.

    An exact DatabaseError, SQLAlchemy's or the driver's, is the file; its other subclasses mean the statement.
    """
    return isinstance(exc, OperationalError | sqlite3.OperationalError | OSError) or type(exc) in (DatabaseError, sqlite3.DatabaseError)


def _named(exc: BaseException) -> str:
    """What went wrong, in SQLite's own word where there is one: SQLITE_FULL, SQLITE_CORRUPT, SQLITE_READONLY."""
    return str(getattr(getattr(exc, "orig", exc), "sqlite_errorname", "") or type(exc).__name__)


def _undone(conn: Connection) -> bool:
    """Roll back what was begun. False: the connection is of no use any more."""
    try:
        if conn.connection.dbapi_connection is not None and conn.connection.dbapi_connection.in_transaction:
            conn.exec_driver_sql("ROLLBACK").close()
    except Exception as exc:
        log.error("rollback_failed", error=_named(exc))
        conn.engine.dispose()
        return False
    return True


def _end(conn: Connection | None) -> None:
    """Close a connection for good: closing alone gives it back to a pool that keeps it open."""
    if conn is not None:
        conn.close()
        conn.engine.dispose()


def _settle(done: list[_Pending]) -> None:
    for p in done:
        if p.future.done():
            continue
        if p.error is not None:
            p.future.set_exception(p.error)
        else:
            p.future.set_result(p.value)


def _wal_index(path: Path) -> tuple[int, int, int]:
    """Of a write-ahead log: pages written, pages folded back, and its generation (sqlite.org/walformat.html, 2.1). Asking SQLite folds."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return 0, 0, 0
    if len(head) < 100:
        return 0, 0, 0
    written, folded = struct.unpack_from("=I", head, 16)[0], struct.unpack_from("=I", head, 96)[0]
    return written, min(folded, written), struct.unpack_from("=I", head, 32)[0]


class LaneFile:
    """One database file. Threads start at the first use, so a LaneFile may be made before a fork."""

    def __init__(self, path: Path, create: Callable[[Connection], None], *, apart: bool = False, kept: bool = True) -> None:
        """`apart`: no read runs on the loop, however few its rows are. Not `kept`: nobody calls `checkpoint`, so a commit does at times."""
        self.path = path
        self._apart = apart
        self._kept = kept
        self._unsure = False  # whether a sync failed
        self._seen = (0, 0)  # pages in the write-ahead log when it was last looked at, and its generation
        self._create = create
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._reader_conn: Connection | None = None
        self._looker: Connection | None = None
        self._closed = False
        self.syncs = 0  # commits that waited for the disk, for tests and metrics

    def _connect(self) -> Connection:
        engine = create_engine(
            f"sqlite:///{self.path}",
            isolation_level="AUTOCOMMIT",
            poolclass=StaticPool,
            connect_args={"check_same_thread": False, "timeout": 30},
        )
        conn = engine.connect()
        for pragma in (*_PRAGMAS, f"wal_autocheckpoint={0 if self._kept else _ITSELF_PAGES}"):
            conn.exec_driver_sql(f"PRAGMA {pragma}").close()
        return conn

    # --- writing

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False, single: bool = False) -> T:
        """Run a job in a transaction; return when it is committed (durable: and synced).

        An exception of the job undoes that job alone and is raised here. Unavailable when the file cannot be written.
        """
        if self._closed:
            raise Unavailable(f"{self.path.name} is closed")
        pending = _Pending(job, durable, asyncio.get_running_loop())
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_forever, name=f"write-{self.path.stem}", daemon=True)
            self._writer.start()
        self._queue.put(pending)
        result: T = await pending.future
        return result

    def _fill(self, group: list[_Pending]) -> None:
        """Put what waits into a group, as far as it may grow."""
        while len(group) < GROUP_JOBS:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            group.append(more)

    def _write_forever(self) -> None:
        conn: Connection | None = None
        lock, wal = -1, -1
        while (first := self._queue.get()) is not None:
            group = [first]
            try:
                if lock < 0:
                    lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    self._fill(group)  # under the lock: what came while another process wrote shares the commit
                    if conn is None:
                        conn = self._open()
                    self._commit(conn, group)
                finally:
                    fcntl.flock(lock, fcntl.LOCK_UN)
                if durable := [p for p in group if p.durable]:
                    self._answer([p for p in group if not p.durable])
                    group = durable
                    wal = wal if wal >= 0 else self._open_log()
                    self._sync(conn, wal)
            except Exception as exc:
                # disk full, read-only, corrupted: nothing of this group was committed, or it is not told so. The thread goes on,
                # whatever it was: with room made, or the file put right, the next group opens it again and is written.
                log.error("write_failed" if conn else "open_failed", file=self.path.name, error=_named(exc))
                if conn is not None and not _undone(conn):
                    conn = None
                if conn is None and wal >= 0:  # another log may stand there when the file is opened again
                    os.close(wal)
                    wal = -1
                for p in group:
                    p.value, p.error = None, Unavailable(f"{self.path.name} cannot be written")
            self._answer(group)
        _end(conn)
        for descriptor in (wal, lock):
            if descriptor >= 0:
                os.close(descriptor)

    def _open_log(self) -> int:
        """The write-ahead log: it is there once something was committed, and for as long as we are connected."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # a new file's name is to last as well
        finally:
            os.close(folder)
        return os.open(f"{self.path}-wal", os.O_RDWR | os.O_CLOEXEC)

    def _sync(self, conn: Connection, wal: int) -> None:
        """Everything committed so far reaches the disk. Outside the lock, unlike SQLite's own: others write meanwhile.

        What they read was perhaps not synced yet; whoever promises something because of it writes durably too, and so waits
        for a sync that has all before it.
        """
        if self._unsure:
            driver: Any = conn.connection.dbapi_connection
            if driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError("the log could not be folded back")
        self._unsure = True  # the system may forget what it failed to write, and say nothing of it the second time
        sync(wal)
        self._unsure = False
        self.syncs += 1

    def _open(self) -> Connection:
        conn = self._connect()
        try:
            self._create(conn)
        except BaseException:
            conn.engine.dispose()
            raise
        return conn

    @staticmethod
    def _commit(conn: Connection, group: list[_Pending]) -> None:
        driver: Any = conn.connection.dbapi_connection  # SQLAlchemy takes 25 us to say BEGIN
        driver.execute("BEGIN IMMEDIATE")
        alone = len(group) == 1
        for p in group:
            if not alone:
                driver.execute("SAVEPOINT job")
            try:
                p.value = p.job(conn)
            except Exception as exc:
                if _of_the_file(exc):
                    raise
                p.error = exc  # the job's own error belongs to the one who asked
                if not alone:
                    driver.execute("ROLLBACK TO job")
            if not alone:
                driver.execute("RELEASE job")
        undone = alone and group[0].error is not None
        driver.execute("ROLLBACK" if undone else "COMMIT")

    @staticmethod
    def _answer(group: list[_Pending]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
        for p in group:
            loops.setdefault(p.loop, []).append(p)
        for loop, done in loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, done)

    # --- reading

    async def read(self, job: Callable[[Connection], T], *, few: bool = False) -> T:
        """Run a reading job on the reader thread, beside the writer; or at once, when it costs less than the way to a thread."""
        if self._readers is None:
            await self._begin_reading()
            self._readers = ThreadPoolExecutor(1, thread_name_prefix=f"read-{self.path.stem}")
        if self._closed:
            raise Unavailable(f"{self.path.name} is closed")
        if self._apart or not few:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)
        with self._said():
            if self._looker is None:
                self._looker = self._connect()
            return job(self._looker)

    async def _begin_reading(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.path.name} is closed")
        await self.write(lambda _conn: None)  # the writer creates file and tables

    def _read(self, job: Callable[[Connection], T]) -> T:
        with self._said():
            if self._reader_conn is None:
                self._reader_conn = self._connect()
            return job(self._reader_conn)

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """A file that cannot be read is Unavailable, and a line of the log."""
        try:
            yield
        except Exception as exc:
            if not _of_the_file(exc):
                raise
            log.error("read_failed", file=self.path.name, error=_named(exc))
            raise Unavailable(f"{self.path.name} cannot be read") from exc

    # --- upkeep

    async def checkpoint(self) -> None:
        """Fold the write-ahead log back into the file when it holds much or nobody writes: beside the writers, or under their lock."""
        if self._writer is None or self._closed:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._checkpoint)

    def _checkpoint(self) -> None:
        written, folded, generation = _wal_index(Path(f"{self.path}-shm"))
        quiet, self._seen = self._seen == (written, generation), (written, generation)
        if written == folded or (written - folded < FOLD_PAGES and not quiet):
            return
        wal = Path(f"{self.path}-wal")
        size = wal.stat().st_size if wal.exists() else 0
        conn = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        try:
            for _ in range(_FOLDS):
                _, pages, folded = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages - folded < _FEW_PAGES:
                    break  # else: as much came while it was written, and all of that would be written under the lock
            if size > WAL_RESTART_BYTES:
                with open(f"{self.path}.lock", "a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as exc:
            log.info("checkpoint_postponed", file=self.path.name, error=type(exc).__name__)
        finally:
            conn.close()

    def close(self) -> None:
        """Finish what is queued, then end threads and connections; the file's last one folds its write-ahead log back."""
        if self._closed and self._writer is None:
            return
        self._closed = True
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        if self._readers is not None:
            self._readers.shutdown(wait=True)
            self._readers = None
        _end(self._reader_conn)
        _end(self._looker)
        self._reader_conn = self._looker = None
