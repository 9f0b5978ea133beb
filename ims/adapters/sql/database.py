"""What the SQL adapters need of a database: somewhere to run a job that is given a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from ims.errors import Conflict

T = TypeVar("T")


class Raced(Conflict):
    """Another transaction wrote meanwhile what this job took for missing: the same job sees it when it is run again.

    The database runs it again, with a bound. Never raised where there is one writer.
    """


class Database(Protocol):
    """Runs jobs apart from each other. A job only speaks to its connection, and may be run more than once: what an earlier
    run did was undone. It keeps nothing of an earlier run."""

    async def read(self, job: Callable[[Connection], T], *, few: bool = False) -> T:
        """Run a reading job. Each statement sees what is committed; two statements may see different commits.

        `few`: it reads some rows by their keys, so a database of this process may run it where it is asked for.

        Raises ims.errors.Unavailable when the database is away.
        """
        ...

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False, single: bool = False) -> T:
        """Run a job in a transaction of its own; return when it is committed, with `durable` when it is synced too.

        `single`: it is one statement, so a server need not be told where the transaction begins and ends.

        What the job raises undoes the job and is raised here; Unavailable when the database is away. Then the outcome may
        be unknown, and the same job may be asked for again: jobs say what they expect, so a repeat changes nothing twice.
        """
        ...
