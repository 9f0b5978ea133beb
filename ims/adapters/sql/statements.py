"""SQLAlchemy Core statements compiled once and run with plain tuples.

`Connection.execute(insert, list_of_dicts)` costs 2 to 3 us a row and 60 us a call before the database sees anything;
the same statement compiled once and handed to the driver costs a tenth. The statement is still written once, in Core,
for every dialect; where they have no common word for it (a row that is there is kept, or changed) it is said here.
SQLite's driver is asked directly: `exec_driver_sql` takes 25 us, the same through the driver 3. Many rows are inserted by
one statement of so many VALUES: the driver lets go of the interpreter for every step, and `executemany` is a step a row, each
of which may wait for whoever computes in this process, while every other process waits for the file.

On a server every `run` is a round trip, and `many` is one for each row unless it inserts: the driver makes one statement
of the rows then. So rows are read, changed and deleted by `IN`, in a few sizes that compile once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, insert
from sqlalchemy.dialects.mysql import insert as insert_on_a_server
from sqlalchemy.dialects.sqlite import insert as insert_in_a_file
from sqlalchemy.sql.expression import ClauseElement

V = TypeVar("V")
SIZES = (1, 20, 200)  # a one-time code, a small event, a full one
_AT_ONCE = (200, 40)  # rows of one insert in a file


class Statement:
    """One Core statement; `order` names its bind parameters in the order in which tuples give them."""

    def __init__(self, element: ClauseElement, order: Sequence[str], **elsewhere: ClauseElement) -> None:
        """`elsewhere`: what stands for the element in a dialect, by its name."""
        self._element = element
        self._elsewhere = elsewhere
        self._order = tuple(order)
        self._texts: dict[str, tuple[str, tuple[int, ...] | None]] = {}
        self._wide: dict[int, str] = {}

    def _text(self, conn: Connection) -> tuple[str, tuple[int, ...] | None]:
        found = self._texts.get(conn.dialect.name)
        if found is None:
            compiled = self._elsewhere.get(conn.dialect.name, self._element).compile(dialect=conn.dialect)
            names = getattr(compiled, "positiontup", None)
            if names is None:
                raise TypeError(f"{conn.dialect.name} does not take parameters by position")
            places = tuple(self._order.index(n) for n in names)
            plain = places == tuple(range(len(self._order)))
            found = self._texts[conn.dialect.name] = (str(compiled), None if plain else places)
        return found

    def _run(self, conn: Connection, values: tuple[Any, ...]) -> Any:
        text, places = self._text(conn)
        if places is not None:
            values = tuple(values[i] for i in places)
        driver = sqlite(conn)
        return conn.exec_driver_sql(text, values) if driver is None else driver.execute(text, values)

    def first(self, conn: Connection, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query."""
        row = self._run(conn, values).fetchone()
        return None if row is None else tuple(row)

    def all(self, conn: Connection, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query; the statement itself bounds how many."""
        return [tuple(row) for row in self._run(conn, values).fetchall()]

    def run(self, conn: Connection, *values: Any) -> int:
        """Run a change once; the number of rows changed."""
        changed: int = self._run(conn, values).rowcount
        return changed

    def many(self, conn: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run for every tuple; the number of rows changed."""
        if len(rows) < 2:
            return self.run(conn, *rows[0]) if rows else 0
        text, places = self._text(conn)
        if places is not None:
            rows = [tuple(r[i] for i in places) for r in rows]
        driver = sqlite(conn)
        if driver is None:
            return conn.exec_driver_sql(text, list(rows)).rowcount
        changed, start = 0, 0
        if text.startswith("INSERT"):
            for size in _AT_ONCE:
                while len(rows) - start >= size:
                    changed += driver.execute(self._of(text, size), [v for row in rows[start : start + size] for v in row]).rowcount
                    start += size
        return changed + (driver.executemany(text, rows[start:]).rowcount if start < len(rows) else 0)

    def _of(self, text: str, size: int) -> str:
        """The insert with so many rows of values."""
        found = self._wide.get(size)
        if found is None:
            one = f"({', '.join('?' * len(self._order))})"
            if text.count(one) != 1:
                raise TypeError("an insert of other values than its parameters")
            found = self._wide[size] = text.replace(one, ", ".join([one] * size))
        return found


def sqlite(conn: Connection) -> sqlite3.Connection | None:
    """The driver's own connection, where it is SQLite's. Its errors are then the driver's too (ims.adapters.embedded.files)."""
    driver = conn.connection.dbapi_connection
    return driver if isinstance(driver, sqlite3.Connection) else None


def once(table: Table, columns: Sequence[str]) -> Statement:
    """INSERT that keeps a row which is already there; its count is of the rows that were not."""
    kept = insert(table).prefix_with("OR IGNORE", dialect="sqlite").prefix_with("IGNORE", dialect="mysql")
    return Statement(_named(kept, columns), columns)


def or_change(table: Table, columns: Sequence[str], change: Callable[[Any, Any], dict[str, Any]]) -> Statement:
    """INSERT that changes a row which is already there: `change` is given the stored columns and those of the insert.

    Its count differs: a changed row is 1 on SQLite and 2 on a server, one left as it was 1 on both.
    """
    lite, server = _named(insert_in_a_file(table), columns), _named(insert_on_a_server(table), columns)
    key = [c.name for c in table.primary_key.columns]
    return Statement(
        lite.on_conflict_do_update(index_elements=key, set_=change(table.c, lite.excluded)),
        columns,
        mysql=server.on_duplicate_key_update(list(change(table.c, server.inserted).items())),
    )


def padded(values: Sequence[V]) -> Iterator[tuple[int, list[V]]]:
    """The values in portions of one of SIZES, each filled up with its last: what a statement with so many places is given."""
    for start in range(0, len(values), SIZES[-1]):
        chunk = list(values[start : start + SIZES[-1]])
        size = next(s for s in SIZES if s >= len(chunk))
        yield size, chunk + [chunk[-1]] * (size - len(chunk))


def places(size: int) -> tuple[list[str], list[Any]]:
    """Names of so many parameters, and the parameters, for an IN."""
    names = [f"value_{n}" for n in range(size)]
    return names, [bindparam(name) for name in names]


def _named(statement: Any, columns: Sequence[str]) -> Any:
    return statement.values({name: bindparam(name) for name in columns})
