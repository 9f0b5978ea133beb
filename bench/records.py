"""What stands in the records of a home, read behind IMS's back: its files, or its databases on a server over SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pymysql
from pymysql.constants import ER

from ims.adapters.sql.address import ServerAddress
from ims.lanes import Lane

_TIMEOUT_S = 120


class Records(Protocol):
    """Runs a query in every lane."""

    def rows(self, lane: Lane, query: str, *values: object) -> list[tuple[Any, ...]]:
        """No rows from a lane that has no such table (yet)."""


class Files:
    """The embedded profile."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def rows(self, lane: Lane, query: str, *values: object) -> list[tuple[Any, ...]]:
        path = self._home / f"{lane}.db"
        if not path.exists():
            return []
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:  # a lane that nothing came to has no tables yet
            return []
        finally:
            connection.close()


class Server:
    """The production profile. A connection stays open: what is asked every moment must not cost the server one each time."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._open: dict[Lane, pymysql.Connection[Any]] = {}

    def rows(self, lane: Lane, query: str, *values: object) -> list[tuple[Any, ...]]:
        connection = self._open.get(lane)
        if connection is None:
            a = self._address
            connection = self._open[lane] = pymysql.connect(
                host=a.host,
                port=a.port,
                user=a.user,
                password=a.password,
                database=a.database(lane),
                autocommit=True,
                read_timeout=_TIMEOUT_S,
            )
        with connection.cursor() as cursor:
            try:
                cursor.execute(query.replace("?", "%s"), values)
            except pymysql.err.ProgrammingError as exc:
                if exc.args[0] != ER.NO_SUCH_TABLE:
                    raise
                return []
            return list(cursor.fetchall())


def records_of(home: Path, settings: Mapping[str, str]) -> Records:
    """Of the profile that these settings choose."""
    return Server(ServerAddress.parse(settings["records"])) if settings.get("profile") == "production" else Files(home)


def history_since(records: Records, at_ms: int) -> list[tuple[str, str]]:
    """Message ids and results of the rows received since."""
    query = "SELECT message_id, result FROM history WHERE received_at >= ?"
    return [(row[0], row[1]) for lane in Lane for row in records.rows(lane, query, at_ms)]


def settled_count(records: Records) -> int:
    """How many messages have a history row: the counters that move with the rows, since counting rows takes too long to wait by."""
    query = "SELECT coalesce(sum(count), 0) FROM daily WHERE result != 'RECEIVED'"
    return sum(int(row[0]) for lane in Lane for row in records.rows(lane, query))


def waiting_count(records: Records) -> dict[str, int]:
    """Events parked, letters, what waits for the log, and rows of a log that is a file, by lane."""
    found = {}
    for lane in Lane:
        for table in ("held", "log", "dead", "outbox"):
            [(n,)] = records.rows(lane, f"SELECT count(*) FROM {table}") or [(0,)]
            if n:
                found[f"{lane} {table}"] = int(n)
    return found
