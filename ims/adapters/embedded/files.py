"""A SQLite file with one writer thread, group commit, and one reader thread.

Writers of several processes queue on a flock, not on SQLite's busy handler: the handler sleeps up to 100 ms between
tries, a flock wakes its next holder at once. Jobs that arrive while a commit is on its way share the next one.
kill -9 keeps every committed write; only `durable` writes also survive power loss (WAL, synchronous FULL).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
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
WAL_RESTART_BYTES = 64 * 1024 * 1024  # past this the log is folded back under the lock, so that it cannot grow for ever
_FEW_PAGES = 2_000  # 8 MB: what may be left to be folded back under the lock
_FOLDS = 4  # tries beside the writers, before that
_FULL, _NORMAL = 2, 1
# secure_delete: by default Debian's SQLite writes zeros over every page that is given up, 48 KB for each trimmed event
_PRAGMAS = ("journal_mode=WAL", "wal_autocheckpoint=0", "cache_size=-16000", "temp_store=MEMORY", "mmap_size=0", "secure_delete=FAST")


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


def _settle(done: list[_Pending]) -> None:
    for p in done:
        if p.future.done():
            continue
        if p.error is not None:
            p.future.set_exception(p.error)
        else:
            p.future.set_result(p.value)


class LaneFile:
    """One database file. Threads start at the first use, so a LaneFile may be made before a fork."""

    def __init__(self, path: Path, create: Callable[[Connection], None], *, apart: bool = False) -> None:
        """`apart`: no read runs on the loop, however few its rows are."""
        self.path = path
        self._apart = apart
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
        for pragma in _PRAGMAS:
            conn.exec_driver_sql(f"PRAGMA {pragma}").close()
        return conn

    # --- writing

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False) -> T:
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
        lock, mode = -1, -1
        while (first := self._queue.get()) is not None:
            group = [first]
            wanted = _NORMAL
            try:
                if lock < 0:
                    lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    self._fill(group)  # under the lock: what came while another process wrote shares the commit
                    wanted = _FULL if any(p.durable for p in group) else _NORMAL
                    if conn is None:
                        conn, mode = self._open(), -1
                    if wanted != mode:
                        conn.exec_driver_sql(f"PRAGMA synchronous={wanted}").close()
                        mode = wanted
                    self._commit(conn, group)
                finally:
                    fcntl.flock(lock, fcntl.LOCK_UN)
                if wanted == _FULL:
                    self.syncs += 1
            except Exception as exc:
                # disk full, read-only, corrupted: nothing of this group was committed. The thread goes on, whatever it
                # was: with room made, or the file put right, the next group opens it again and is written.
                log.error("write_failed" if conn else "open_failed", file=self.path.name, error=_named(exc))
                if conn is not None and not _undone(conn):
                    conn = None
                for p in group:
                    p.value, p.error = None, Unavailable(f"{self.path.name} cannot be written")
            self._answer(group)
        if conn is not None:
            conn.close()
        if lock >= 0:
            os.close(lock)

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
        """Fold the write-ahead log back into the file, beside the writers; under their lock only when it grew large."""
        if self._writer is None or self._closed:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._checkpoint)

    def _checkpoint(self) -> None:
        wal = Path(f"{self.path}-wal")
        size = wal.stat().st_size if wal.exists() else 0
        if size < 1_000_000:
            return
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
        """Finish what is queued, then end the threads."""
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
        if self._reader_conn is not None:
            self._reader_conn.close()
            self._reader_conn = None
        if self._looker is not None:
            self._looker.close()
            self._looker = None
