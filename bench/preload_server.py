"""Settled messages put straight into a lane's database on a server, made by the server; ids, numbers and keys are random."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine

from bench.preload import BATCH, Plan
from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.counters import count, seoul_day
from ims.adapters.sql.lane_tables import acceptance_slice
from ims.adapters.sql.settled import HISTORY_COLUMNS
from ims.protocol.ids import day_of, new_birth

_STEP = 250  # births in a transaction: 50,000 rows
_HISTORY = f"""INSERT INTO history ({", ".join(HISTORY_COLUMNS)})
SELECT birth, pos, 1, %s, SUBSTRING(HEX(RANDOM_BYTES(15)), 1, 30), 'preloaded', 'SMS', 'DELIVERED', '0000', 'simulator', '0000', 1,
'010****0000', RANDOM_BYTES(12), '', '', received_at, received_at + 300, received_at + 300, received_at + 600, received_at + 2000, 'MT'
FROM fill_births CROSS JOIN fill_numbers WHERE step = %s ORDER BY birth, pos"""


def load_server(records: str, plan: Plan, service_key: str) -> None:
    """Acceptance rows and history rows of `plan` (not whole, not sampled), and the counters they move. Blocking."""
    address = ServerAddress.parse(records)
    with _connected(address, plan) as conn:
        conn.exec_driver_sql("CREATE TEMPORARY TABLE fill_births (birth VARCHAR(26) CHARACTER SET ascii, received_at BIGINT, step INTEGER)")
        conn.exec_driver_sql("CREATE TEMPORARY TABLE fill_numbers (pos INTEGER)")
        conn.exec_driver_sql("INSERT INTO fill_numbers VALUES (%s)", [(n,) for n in range(BATCH)])
        for start, end in plan.days:
            events = plan.count // len(plan.days) // BATCH
            moments = [start + (end - start) * n // max(events, 1) for n in range(events)]
            births = sorted((new_birth(plan.lane, at), at) for at in moments)
            conn.exec_driver_sql("DELETE FROM fill_births")
            conn.exec_driver_sql("INSERT INTO fill_births VALUES (%s, %s, %s)", [(b, at, n // _STEP) for n, (b, at) in enumerate(births)])
            day = day_of(start)
            acceptance_slice(day).create(conn, checkfirst=True)
            for step in range(-(-events // _STEP)):
                with _transaction(conn):
                    conn.exec_driver_sql(_HISTORY, (service_key, step))
            with _transaction(conn):  # in the order of its keys: the pages are written once
                conn.exec_driver_sql(
                    f"INSERT INTO acceptance_{day} SELECT k, RANDOM_BYTES(8), birth, pos, received_at, 1 FROM"
                    " (SELECT RANDOM_BYTES(16) k, birth, pos, received_at FROM fill_births CROSS JOIN fill_numbers) made ORDER BY k"
                )
            moved: dict[tuple[str, str, str, str], int] = {}
            for _, at in births:
                counter = (seoul_day(at), service_key, "SMS", "DELIVERED")
                moved[counter] = moved.get(counter, 0) + BATCH
            count(conn, moved)
        conn.exec_driver_sql("ANALYZE TABLE history").fetchall()


@contextmanager
def _connected(address: ServerAddress, plan: Plan) -> Iterator[Connection]:
    way_in = {"isolation_level": "AUTOCOMMIT", "paramstyle": "format"}  # as asyncmy has it
    engine = create_engine(address.url("pymysql", address.database(plan.lane)), **way_in)
    try:
        with engine.connect() as conn:
            yield conn
    finally:
        engine.dispose()


@contextmanager
def _transaction(conn: Connection) -> Iterator[None]:
    conn.exec_driver_sql("BEGIN")
    yield
    conn.exec_driver_sql("COMMIT")
