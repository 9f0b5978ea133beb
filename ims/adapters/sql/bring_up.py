"""Opening a SQLite file that an older IMS made: what it lacks is added, nothing is taken away.

Servers are migrated step by step (`ims migrate`); a home of the embedded profile just opens. A missing column is added
empty (0, '' or nothing), so a new column must read well that way; an index that stands on other columns is built anew.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, MetaData
from sqlalchemy.schema import CreateColumn

from ims.telemetry import log

_COLUMNS = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
_INDEXES = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_index_info(m.name) c WHERE m.type = 'index' ORDER BY m.name, c.seqno"
)


def bring_up(conn: Connection, metadata: MetaData) -> None:
    """Make the tables, and what is missing of those that are there already."""
    columns = _grouped(conn, _COLUMNS)
    metadata.create_all(conn)
    known = [table for table in metadata.sorted_tables if table.name in columns]
    for table in known:
        for column in table.columns:
            if column.name not in columns[table.name]:
                conn.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {_ddl(conn, column)}").close()
                log.info("column_added", table=table.name, column=column.name)
    indexes = _grouped(conn, _INDEXES)
    for index in (i for table in known for i in table.indexes):
        if indexes.get(str(index.name)) != [c.name for c in index.columns]:
            _rebuilt(conn, index)


def _grouped(conn: Connection, query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for owner, name in conn.exec_driver_sql(query):
        found.setdefault(owner, []).append(name)
    return found


def _ddl(conn: Connection, column: Column[object]) -> str:
    text = str(CreateColumn(column).compile(dialect=conn.dialect))
    if column.nullable or column.server_default is not None:
        return text
    kind = column.type.dialect_impl(conn.dialect)
    empty = "0" if isinstance(kind, Integer) else "x''" if isinstance(kind, LargeBinary) else "''"
    return f"{text} DEFAULT {empty}"


def _rebuilt(conn: Connection, index: Index) -> None:
    index.drop(conn, checkfirst=True)
    index.create(conn)
    log.info("index_rebuilt", index=index.name)
