"""Copies what can still be read of a damaged SQLite file into a fresh one. The damaged file is only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_MOST_STEP = 1 << 16


@dataclass(frozen=True, slots=True)
class Copied:
    """One table's rows, and whether some of them could not be read."""

    table: str
    rows: int
    whole: bool


def tables_of(path: Path) -> dict[str, str]:
    """Name and CREATE statement of every table; empty when not even the schema can be read."""
    try:
        with closing(sqlite3.connect(path)) as conn:
            wanted = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            return dict(conn.execute(wanted).fetchall())
    except sqlite3.DatabaseError:
        return {}


def copy_table(source: Path, target: sqlite3.Connection, table: str, sql: str) -> Copied:
    """Read a table from both ends, and a rowid table also between damaged pages; what is read twice is kept once."""
    columns = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")')]
    named = ", ".join(f'"{c}"' for c in columns)
    put = f'INSERT OR IGNORE INTO "{table}" ({named}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608 - names are of our schema
    whole = True
    for part in _parts(source, table, named, by_rowid="WITHOUT ROWID" not in sql.upper()):
        if part is None:
            whole = False
        else:
            target.execute(put, part)
    return Copied(table, int(target.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]), whole)  # noqa: S608


def _parts(source: Path, table: str, named: str, *, by_rowid: bool) -> Iterator[tuple[object, ...] | None]:
    """Rows, and None where reading broke off."""
    with closing(sqlite3.connect(source)) as conn:
        if not by_rowid:
            broken = False
            for order in ("", _key_backwards(conn, table)):
                if order or not broken:
                    for row in _read(conn, f'SELECT {named} FROM "{table}" {order}'):  # noqa: S608
                        broken |= row is None
                        yield row
                if not broken:
                    return
            return
        top = _top(conn, table)
        after, step = -(1 << 62), 1
        while True:
            broken = False
            for row in _read(conn, f'SELECT rowid, {named} FROM "{table}" NOT INDEXED WHERE rowid > {after} ORDER BY rowid'):  # noqa: S608
                if row is None:
                    broken = True
                    yield None
                else:
                    after, step = int(str(row[0])), 1
                    yield row[1:]
            if not broken or after >= top:
                return
            after = max(after, 0) + step  # over the damaged page, in growing steps
            step = min(step * 2, _MOST_STEP)


def _read(conn: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...] | None]:
    try:
        yield from conn.execute(query)
    except sqlite3.DatabaseError:
        yield None


def _top(conn: sqlite3.Connection, table: str) -> int:
    """The largest rowid that can be seen, from the table's end or from its index."""
    for hint in ("NOT INDEXED", ""):
        for row in _read(conn, f'SELECT rowid FROM "{table}" {hint} ORDER BY rowid DESC LIMIT 1'):  # noqa: S608
            if row is not None:
                return int(str(row[0]))
    return 1 << 20


def _key_backwards(conn: sqlite3.Connection, table: str) -> str:
    keys = sorted((row[5], row[1]) for row in conn.execute(f'PRAGMA table_info("{table}")') if row[5])
    return "ORDER BY " + ", ".join(f'"{name}" DESC' for _, name in keys)
