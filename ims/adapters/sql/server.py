"""A database on a MySQL or MariaDB server as ims.adapters.sql.database.Database.

Isolation is READ COMMITTED: what a statement decides on is the newest that is committed, as on a file with one writer.
Where two transactions could decide on the same row, the statements themselves say so (FOR UPDATE, SKIP LOCKED, inserts
that count, compare-and-set); nothing leans on gap locks, which make two inserts into neighbouring keys deadlock.

A transaction is run again, with a bound and jitter, when it surely was not committed: deadlock, lock wait, or a
connection lost before COMMIT was sent. A connection lost while COMMIT is on its way leaves it unknown: Unavailable, and
who asked may repeat it. That is safe because every job of ours says what it expects: dispatch rows move by version, so
the repeat meets Conflict and decides anew on what is stored; acceptance keys, births, arrays, letters and traces are
inserted where they are missing; history and counters move only for a number that is higher than the stored one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from asyncmy.cursors import Cursor
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.database import Raced
from ims.adapters.sql.mysql_errors import LOGIN, Meaning, meaning, number
from ims.adapters.trust import untrusted
from ims.errors import LoginRefused, Unavailable, Untrusted
from ims.telemetry import RECORDS_AGAIN, log

T = TypeVar("T")

TRIES = 6  # of one transaction; a deadlock undoes one of two, so six in a row mean that something is wrong
LOST_TRIES = 3  # a restart makes every pooled connection stale at once; the pool forgets them all at the first
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.3


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Guesses that hold on a small machine, unless a line says otherwise."""

    connections: int = 4  # of one process to one database, opened when needed; the sum over processes is what the server must allow
    connect_s: float = 3
    free_connection_s: float = 20  # how long a job waits for one of them: a full window of events queues here, below its time limit
    statement_s: float = 20  # the server ends it (MySQL: SELECT only)
    lock_wait_s: int = 5  # whole seconds; then the transaction is undone and tried again
    job_s: float = 30  # a whole job with its transaction; the last resort where the network swallows answers
    recycle_s: int = 1800  # below the idle limits of servers and of what stands between


class StatementFailed(RuntimeError):
    """The server will never take this statement: a fault of ours. Named by number alone: its text would hold values."""


class _Again(Exception):
    """Surely not committed."""

    def __init__(self, why: str, *, lost: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.lost = lost


class _Quiet(Cursor):
    """INSERT IGNORE warns of every row that was there: asking for the warnings is a round trip, and their texts hold values."""

    async def _show_warnings(self, conn: Any) -> None:
        pass


class ServerDatabase:
    """One database of a server. Connects at the first use; one per process and running loop.

    Jobs run on the loop's own thread: a job that waits for the server lets others go on (greenlet), one that computes
    does not, so jobs do nothing but speak to the connection.
    """

    def __init__(self, address: ServerAddress, database: str, limits: ServerLimits | None = None) -> None:
        self.name = database
        self._address = address
        self._limits = limits or ServerLimits()
        self._made: AsyncEngine | None = None
        self._closed = False

    # --- ims.adapters.sql.database.Database

    async def read(self, job: Callable[[Connection], T], *, few: bool = False) -> T:
        """Run a reading job in autocommit: each statement sees what is committed."""
        return await self._repeated(partial(self._once, job, transaction=False))

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False, single: bool = False) -> T:
        """Run a job in a transaction. The server syncs at every commit (`ims doctor` looks), so `durable` changes nothing."""
        return await self._repeated(partial(self._once, job, transaction=not single, writes=True))

    async def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        if self._made is not None:
            await self._made.dispose()
            self._made = None

    # --- inside

    def _engine(self) -> AsyncEngine:
        if self._closed:
            raise Unavailable(f"{self.name} is closed")
        if self._made is None:
            most = self._limits
            self._made = create_async_engine(
                self._address.url("asyncmy", self.name),
                isolation_level="AUTOCOMMIT",  # a read is its statements and nothing else; a write says BEGIN
                skip_autocommit_rollback=True,
                pool_reset_on_return=None,  # nothing is ever returned in a transaction
                pool_size=most.connections,
                max_overflow=0,
                pool_timeout=most.free_connection_s,
                pool_recycle=most.recycle_s,
                pool_use_lifo=True,  # what is not needed grows old and is closed
                hide_parameters=True,
                connect_args={
                    "connect_timeout": most.connect_s,
                    "init_command": session(most),
                    "binary_prefix": True,
                    "cursor_cls": _Quiet,
                    "ssl": self._address.ssl_context(),
                },
            )
        return self._made

    async def _repeated(self, once: Callable[[], Awaitable[T]]) -> T:
        tried = lost = 0
        while True:
            tried += 1
            try:
                return await once()
            except _Again as exc:
                lost += exc.lost
                RECORDS_AGAIN.labels(self.name, exc.why).inc()
                if tried >= TRIES or lost >= LOST_TRIES:
                    log.warning("records_gave_up", database=self.name, why=exc.why)
                    raise Unavailable(f"{self.name}: {exc.why}, {tried} times") from None
            await asyncio.sleep(random.uniform(0.5, 1) * min(_FIRST_WAIT_S * 2**tried, _LONGEST_WAIT_S))  # noqa: S311  # jitter

    async def _once(self, job: Callable[[Connection], T], *, transaction: bool, writes: bool = False) -> T:
        work = _Work(job, transaction, writes)
        try:
            async with asyncio.timeout(self._limits.job_s):
                return await greenlet_spawn(work.run_on, self._engine().sync_engine)
        except DBAPIError as exc:
            raise self._understood(exc, work) from None
        except Raced:
            raise _Again("raced") from None
        except (NoConnectionFree, TimeoutError, OSError) as exc:
            log.warning("records_away", database=self.name, error=type(exc).__name__, committing=work.committing)
            raise Unavailable(f"{self.name}: {type(exc).__name__}{_outcome(work)}") from None

    def _understood(self, exc: DBAPIError, work: _Work[Any]) -> Exception:
        means, code = meaning(exc), number(exc)
        if means is Meaning.LOST and work.committing:
            log.warning("records_lost_in_commit", database=self.name, error=code)
            return Unavailable(f"{self.name}: error {code}{_outcome(work)}")
        if means in (Meaning.AGAIN, Meaning.LOST):
            return _Again(f"error {code}", lost=means is Meaning.LOST)
        if means is Meaning.AWAY:
            log.warning("records_away", database=self.name, error=code)
            if code in LOGIN:
                return LoginRefused(f"{self.name}: error {code}")
            if untrusted(exc.orig):
                return Untrusted(f"{self.name}: error {code}, the server shows a certificate that we do not trust")
            return Unavailable(f"{self.name}: error {code}{_outcome(work)}")
        return StatementFailed(f"{self.name}: {type(exc.orig).__name__} {code}")


class _Work(Generic[T]):
    """A job with its transaction, and how far it came."""

    def __init__(self, job: Callable[[Connection], T], transaction: bool, writes: bool) -> None:
        self._job = job
        self._transaction = transaction
        self._writes = writes
        self.begun = self.committing = False

    def run_on(self, engine: Engine) -> T:
        """All of it on one connection of the pool, in one greenlet: AsyncConnection would hop for each part, 0.1 ms of CPU."""
        with engine.connect() as conn:
            try:
                return self._run(conn)
            except BaseException as exc:
                self._undo(conn, exc)
                raise

    def _undo(self, conn: Connection, exc: BaseException) -> None:
        """Leave no transaction open behind, whatever broke off: a connection that can not say so is thrown away."""
        if conn.invalidated or (isinstance(exc, Exception) and not self.begun):
            return
        if isinstance(exc, Exception):  # else the job was cut off, perhaps in the middle of an answer
            try:
                conn.exec_driver_sql("ROLLBACK").close()
                return
            except (DBAPIError, OSError):
                pass
        conn.invalidate()

    def _run(self, conn: Connection) -> T:
        if not self._transaction:
            self.committing = self._writes  # a statement by itself is its own commit
            return self._job(conn)
        self.begun = True
        conn.exec_driver_sql("BEGIN").close()
        result = self._job(conn)
        self.committing = True
        conn.exec_driver_sql("COMMIT").close()
        return result


def session(limits: ServerLimits) -> str:
    """What a connection is told first. Each of the two servers takes the other's settings for a comment."""
    ms = int(limits.statement_s * 1000)
    return (
        "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"
        f", innodb_lock_wait_timeout = {limits.lock_wait_s}, lock_wait_timeout = {limits.lock_wait_s}"
        f" /*M! , tx_isolation = 'READ-COMMITTED', max_statement_time = {ms / 1000} */"
        f" /*!80000 , transaction_isolation = 'READ-COMMITTED', max_execution_time = {ms} */"
    )


def _outcome(work: _Work[Any]) -> str:
    return ", while committing: the outcome is unknown" if work.committing else ""
