"""The large tables of a lane's database cut by UTC day on a server, so that forgetting a day is dropping a partition.

A birth id is the lane's letter, then the day in three characters that sort as their numbers do: within one lane a day is
a range of the primary key, in every unique key as MySQL wants it. The last partition has no upper end: INSERT IGNORE
loses a row that no partition takes, without a word. It stays empty as long as days are cut ahead; a day that was not
cut in time is moved out of it at the next look, which copies its rows while writers of that table wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ims.lanes import Lane
from ims.protocol.ids import first_of_day

CUT = ("payloads", "dispatches", "history")
AHEAD_DAYS = 7  # the job that cuts may be away for a week
REST = "rest"
PARTITION_BY = f"RANGE COLUMNS(birth) (PARTITION {REST} VALUES LESS THAN (MAXVALUE))"

_WAIT_S = 2  # for statements that are at the table; behind a waiting ALTER every new one waits too
_DAYS = (
    "SELECT partition_name FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name = %s"
    " AND partition_name LIKE 'd%%' ORDER BY partition_ordinal_position"
)


def days(conn: Connection, table: str) -> list[int]:
    """The days that have a partition, in their order. The first holds everything before it too."""
    return [int(row[0][1:]) for row in conn.exec_driver_sql(_DAYS, (table,))]


def cut_ahead(conn: Connection, lane: Lane, today: int) -> int:
    """Cut what is missing up to a week ahead; how many partitions were made. Nothing when another is at it."""
    made = 0
    with _alone(conn) as mine:
        for table in CUT if mine else ():
            known = days(conn, table)
            new = range(known[-1] + 1 if known else today - 1, today + AHEAD_DAYS + 1)
            if new:
                parts = [f"PARTITION d{day} VALUES LESS THAN ('{first_of_day(lane, day + 1)}')" for day in new]
                into = ", ".join([*parts, f"PARTITION {REST} VALUES LESS THAN (MAXVALUE)"])
                conn.exec_driver_sql(f"ALTER TABLE {table} REORGANIZE PARTITION {REST} INTO ({into})")
                made += len(new)
    return made


def drop_before(conn: Connection, before: dict[str, int]) -> int:
    """Drop the partitions of days before a table's day; how many there were. Nothing when another is at it."""
    gone = 0
    with _alone(conn) as mine:
        for table, first in before.items() if mine else ():
            if old := [day for day in days(conn, table) if day < first]:
                conn.exec_driver_sql(f"ALTER TABLE {table} DROP PARTITION {', '.join(f'd{day}' for day in old)}")
                gone += len(old)
    return gone


@contextmanager
def _alone(conn: Connection) -> Iterator[bool]:
    """Hold the database's lock for this, so that two jobs at once neither fail nor cut twice; it ends with the connection."""
    lock = "CONCAT(DATABASE(), '.partitions')"
    mine = conn.exec_driver_sql(f"SELECT GET_LOCK({lock}, 0)").scalar() == 1
    kept = conn.exec_driver_sql("SELECT @@SESSION.lock_wait_timeout").scalar()
    conn.exec_driver_sql(f"SET SESSION lock_wait_timeout = {_WAIT_S}")
    try:
        yield mine
    finally:
        conn.exec_driver_sql(f"SET SESSION lock_wait_timeout = {kept}")
        if mine:
            conn.exec_driver_sql(f"SELECT RELEASE_LOCK({lock})")
