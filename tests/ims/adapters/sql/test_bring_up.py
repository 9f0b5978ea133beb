"""A home that an older IMS made opens, and takes what is written today."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, create_engine, inspect

from ims.adapters.sql.bring_up import bring_up
from ims.adapters.sql.lane_tables import metadata

_HELD_OF_NOVEMBER = """
CREATE TABLE held (id VARCHAR(26) NOT NULL, birth VARCHAR(26) NOT NULL, topic VARCHAR(40) NOT NULL, attributes TEXT NOT NULL,
 data BLOB NOT NULL, due_at INTEGER NOT NULL, since INTEGER NOT NULL, reason VARCHAR(60) NOT NULL, PRIMARY KEY (id))
"""


@pytest.fixture
def conn():
    engine = create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    with engine.connect() as made:
        yield made
    engine.dispose()


def test_what_an_old_file_lacks_is_added_and_its_rows_stay(conn):
    conn.exec_driver_sql(_HELD_OF_NOVEMBER)
    conn.exec_driver_sql("CREATE INDEX held_due ON held (due_at)")
    conn.exec_driver_sql("INSERT INTO held VALUES ('e1', 'b1', 'SEND', '{}', x'00', 5, 1, 'away')")
    bring_up(conn, metadata)
    assert conn.exec_driver_sql("SELECT id, send_by FROM held").fetchall() == [("e1", 0)]
    indexes = {i["name"]: i["column_names"] for i in inspect(conn).get_indexes("held")}
    assert indexes == {str(i.name): [c.name for c in i.columns] for i in metadata.tables["held"].indexes}
    assert set(inspect(conn).get_table_names()) == set(metadata.tables)


def test_a_file_of_today_is_left_as_it_is(conn):
    bring_up(conn, metadata)
    made = conn.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    bring_up(conn, metadata)
    assert conn.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == made


def test_an_added_column_reads_empty_and_is_never_null(conn):
    old, new = MetaData(), MetaData()
    Table("t", old, Column("id", Integer, primary_key=True)).create(conn)
    conn.exec_driver_sql("INSERT INTO t VALUES (1)")
    name = Column("name", String(5), nullable=False)
    Table("t", new, Column("id", Integer, primary_key=True), name, Column("n", Integer, nullable=False), Index("t_name", name))
    bring_up(conn, new)
    assert conn.exec_driver_sql("SELECT * FROM t").fetchall() == [(1, "", 0)]
