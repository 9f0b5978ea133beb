"""What the SQL adapters need of a database: somewhere to run a job that is given a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Database(Protocol):
    """Runs jobs on threads of its own, so a job may block; it must not be kept waiting for anything else."""

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Run a reading job. Each statement sees what is committed; two statements may see different commits.

        Raises ims.errors.Unavailable when the database is away.
        """
        ...

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run a job in a transaction of its own; return when it is committed, with `durable` when it is synced too.

        What the job raises undoes the job and is raised here; Unavailable when the database is away.
        """
        ...
