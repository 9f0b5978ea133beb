"""What a MySQL or MariaDB error number means for a transaction: whether it may be run again, or the server is away.

Numbers of both servers; where only one of them has it, that is said.
"""

from __future__ import annotations

from enum import Enum

from sqlalchemy.exc import DBAPIError


class Meaning(Enum):
    """What to do after an error."""

    AGAIN = "again"  # undone by the server or for the moment only: the same transaction may succeed at once
    LOST = "lost"  # the connection is gone: undone, unless it went while COMMIT was on its way
    AWAY = "away"  # the server does not serve now: nothing to be gained by hammering it
    FAULT = "fault"  # the statement itself is wrong, or what it writes


_AGAIN = {
    1205,  # lock wait over its limit: the statement alone is undone, so we undo the rest
    1213,  # deadlock: everything is undone
    3101,  # MySQL group replication: another member was first, everything is undone
    1020,  # MariaDB: the row was changed since it was read
    1412,  # a partition was made or dropped meanwhile
    1146,  # a slice was dropped between its listing and its reading
}
_LOST = {
    1053,  # shutdown
    1152, 1158, 1159, 1160, 1161,  # the network
    1927,  # MariaDB: killed
    2006, 2013, 2014, 2055,
    3169, 4031,  # MySQL 8: killed, idle for too long
}  # fmt: skip
_AWAY = {
    1021, 1114,  # disk or table space full
    1036, 1290, 1792, 1836, 3100,  # read-only: what a primary becomes in a failover
    1040, 1129, 1203, 1226,  # too many connections, host blocked
    1044, 1045, 1049, 1130, 1698,  # not let in: a password is being changed, or a database not made yet
    1077, 1078, 1079, 1105, 1317,  # going down, interrupted
    1637,  # too many open transactions
    1969, 3024,  # over the time limit of a statement (MariaDB, MySQL 8)
    2002, 2003, 2005,  # no connection
}  # fmt: skip


LOGIN = {1044, 1045, 1130, 1698}  # of those that are away: the server is there, and does not let us in


def number(exc: DBAPIError) -> int:
    """The server's error number; 0: none."""
    args = getattr(exc.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else 0


def meaning(exc: DBAPIError) -> Meaning:
    """What an error means."""
    code = number(exc)
    if code in _AGAIN:
        return Meaning.AGAIN
    if code in _AWAY:
        return Meaning.AWAY
    if code in _LOST or exc.connection_invalidated:
        return Meaning.LOST
    return Meaning.FAULT
