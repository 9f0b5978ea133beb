"""A records database that is full: so many messages over so many days, made by the database itself from their birth events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine

from ims.adapters.embedded.store import create_lane
from ims.adapters.sql import acceptance, changes, outbox, partitions
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.lane_tables import acceptance_slice, history, metadata
from ims.adapters.sql.registry_tables import create as create_registry
from ims.adapters.sql.registry_tables import push_tokens
from ims.lanes import Lane
from ims.ports.dispatch import Dispatch, Member, pack
from ims.ports.records import Birth, Change, DeadLetter, HeldEvent, ResultArray
from ims.protocol.envelope import Record
from ims.protocol.ids import day_of, derived, new_birth

NOW = 1_790_000_000_000
DAY_MS = 86_400_000
LANE = Lane.REALTIME
BATCH = 200  # messages of a birth event
HELD = 4_000  # events that wait for a provider: a bad hour
DEAD = 2_000
OPT_OUTS = 100_000
KEY = "planskey"
URL = "https://plans.example/ims"
TOPIC = "SEND-MT-realtime"


@contextmanager
def opened(where: str, rows: int, days: int, rng: random.Random, batch: int = BATCH) -> Iterator[tuple[Connection, Connection]]:
    """Connections to the lane's and the registry's database, filled."""
    if where.startswith("sqlite:"):
        home = Path(where.removeprefix("sqlite:"))
        home.mkdir(parents=True, exist_ok=True)
        engines = [create_engine(f"sqlite:///{home / f'{part}.db'}", isolation_level="AUTOCOMMIT") for part in (LANE, REGISTRY)]
    else:
        address = ServerAddress.parse(where + "_plans")
        with create_engine(address.url("pymysql"), isolation_level="AUTOCOMMIT").connect() as conn:
            for part in (LANE, REGISTRY):
                conn.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {address.database(part)}")
        way_in = {"isolation_level": "AUTOCOMMIT", "paramstyle": "format"}  # as asyncmy has it
        engines = [create_engine(address.url("pymysql", address.database(part)), **way_in) for part in (LANE, REGISTRY)]
    with engines[0].connect() as lane, engines[1].connect() as registry:
        if not _has(lane, "history"):
            _make(lane, registry)
            fill(lane, rows, days, rng, batch)
            fill_registry(registry, rng)
        yield lane, registry
    for engine in engines:
        engine.dispose()


def _make(lane: Connection, registry: Connection) -> None:
    if lane.dialect.name == "sqlite":
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
            lane.exec_driver_sql(f"PRAGMA {pragma}").close()
        lane.exec_driver_sql("PRAGMA journal_mode=WAL").close()
        create_lane(lane)
    else:
        metadata.create_all(lane, tables=[t for t in metadata.sorted_tables if not t.info.get("embedded")])
    create_registry(registry)


def fill(conn: Connection, rows: int, days: int, rng: random.Random, batch: int) -> None:
    """So many messages over so many days until NOW, half of them of one service key."""
    server = conn.dialect.name == "mysql"
    slots = "%s,%s" if server else "?,?"
    today = day_of(NOW)
    if server:
        first = today - days
        partitions.cut_ahead(conn, LANE, first)
        for day in range(first, today + 1, partitions.AHEAD_DAYS):
            partitions.cut_ahead(conn, LANE, min(day, today))
    events = rows // batch
    moments = sorted(NOW - rng.randrange(days * DAY_MS) for _ in range(events))
    conn.exec_driver_sql("CREATE TABLE fill_births (birth VARCHAR(26) PRIMARY KEY, received_at BIGINT NOT NULL)")
    conn.exec_driver_sql("CREATE TABLE fill_numbers (n INTEGER PRIMARY KEY)")
    conn.exec_driver_sql("BEGIN")
    conn.exec_driver_sql(f"INSERT INTO fill_births VALUES ({slots})", [(new_birth(LANE, at), at) for at in moments])
    conn.exec_driver_sql(f"INSERT INTO fill_numbers VALUES ({slots[: len(slots) // 2]})", [(n,) for n in range(batch)])
    conn.exec_driver_sql("COMMIT")
    chance = {n: f"RANDOM_BYTES({n})" if server else f"randomblob({n})" for n in (8, 12, 16, 1000)}
    doc = pack(Dispatch("x" * 16, 0, NOW, NOW, members={n: Member(n) for n in range(BATCH)})).hex()
    for day in range(today - days, today + 1):
        begin, end = day * DAY_MS, (day + 1) * DAY_MS
        births = f"(SELECT * FROM fill_births WHERE received_at >= {begin} AND received_at < {end} ORDER BY birth) b"
        conn.exec_driver_sql("BEGIN")
        for text in (
            f"INSERT INTO payloads (birth, topic, attributes, data, `rows`, received_at)"
            f" SELECT birth, 'RECV-MT-realtime', '{{}}', {chance[1000]}, {batch}, received_at FROM {births}",
            f"INSERT INTO dispatches (birth, attempt, version, received_at, due_at, doc)"
            f" SELECT birth, 0, 3, received_at, 0, x'{doc}' FROM {births}",
            f"INSERT INTO history ({', '.join(c.name for c in history.columns)}) SELECT birth, n, 1, '{KEY}', 'm', '', 'SMS', 'DELIVERED',"
            f" '0000', 'simulator', '', 1, '010****0000', {chance[12]}, '', '', received_at, received_at, received_at, received_at,"
            f" received_at, 'MT' FROM {births} CROSS JOIN fill_numbers ORDER BY birth, n",
        ):
            conn.exec_driver_sql(text if server else text.replace("`", '"'))
        conn.execute(acceptance_slice(day).delete()) if _has(conn, f"acceptance_{day}") else acceptance_slice(day).create(conn)
        table = f"acceptance_{day}"
        keyed = f"SELECT {chance[16]} k, {chance[8]} d, birth, n, received_at FROM {births} CROSS JOIN fill_numbers"
        conn.exec_driver_sql(f"INSERT INTO {table} SELECT k, d, birth, n, received_at, 1 FROM ({keyed}) t ORDER BY k")
        conn.exec_driver_sql("COMMIT")
    _fill_small(conn, rng, [b for (b,) in conn.exec_driver_sql("SELECT birth FROM fill_births")])
    conn.exec_driver_sql("DROP TABLE fill_births")
    conn.exec_driver_sql("DROP TABLE fill_numbers")
    if server:
        conn.exec_driver_sql("ANALYZE TABLE payloads, dispatches, history, arrays, held, dead, daily").fetchall()


def _fill_small(conn: Connection, rng: random.Random, births: list[str]) -> None:
    chosen = rng.sample(births, min(len(births), 2_000))
    conn.exec_driver_sql("BEGIN")
    for n in range(0, len(births), 500):
        part = births[n : n + 500]
        formed = [
            ResultArray(derived(b, "array"), KEY if i % 2 else f"key{i % 50}", URL if i % 3 else f"{URL}{i % 40}", 100,
                        NOW - rng.randrange(30 * DAY_MS), b"x" * 400, "k1", NOW - 1000 if i % 100 == 0 else 0)
            for i, b in enumerate(part)
        ]  # fmt: skip
        changes.apply(conn, Change(arrays=formed), NOW)
    # Most of what was ever told is acknowledged; of the key that polls all but the newest.
    conn.exec_driver_sql(f"UPDATE arrays SET done = 1, acked = count WHERE created_at < {NOW - DAY_MS}")
    parked = [held(f"held{n}", b) for n, b in zip(range(HELD), chosen * (HELD // len(chosen) + 1), strict=False)]
    letters = [DeadLetter(record(f"dead{n}", chosen[n % len(chosen)]), "send", "9999", "", NOW) for n in range(DEAD)]
    changes.apply(conn, Change(held=parked, dead=letters), NOW)
    for n in range(30):
        acceptance.count_accepted(conn, [(Birth(b, LANE, f"key{n}", "mt", 1, NOW - n * DAY_MS, record("x", b)), 1) for b in chosen[:1]])
    outbox.put(conn, chosen, NOW)
    due_at = NOW - 5
    for b in chosen[: len(chosen) // 4]:
        conn.exec_driver_sql(f"UPDATE dispatches SET due_at = {due_at} WHERE birth = '{b}'")
    conn.exec_driver_sql("COMMIT")


def fill_registry(conn: Connection, rng: random.Random) -> None:
    """Opt-outs and push tokens are what grows there."""
    server = conn.dialect.name == "mysql"
    slots = ", ".join(["%s" if server else "?"] * 4)
    rows = [("acme", "mt", rng.randbytes(12), NOW) for _ in range(OPT_OUTS)]
    conn.exec_driver_sql("BEGIN")
    conn.exec_driver_sql(f"INSERT INTO opt_outs VALUES ({slots})", rows)
    columns = [column.name for column in push_tokens.columns]
    given = {"customer": "acme", "app_id": "shop-app", "platform": "IOS", "key_id": "k1", "retired_code": "", "sealed": b"x" * 200}
    tokens = [tuple(given.get(c, 0) if c not in {"token", "owner"} else rng.randbytes(12) for c in columns) for _ in range(OPT_OUTS)]
    slots = ", ".join(["%s" if server else "?"] * len(columns))
    conn.exec_driver_sql(f"INSERT INTO push_tokens VALUES ({slots})", tokens)
    conn.exec_driver_sql("COMMIT")


def _has(conn: Connection, table: str) -> bool:
    return conn.dialect.has_table(conn, table)


def record(id_: str, birth: str) -> Record:
    return Record(TOPIC, {"id": id_, "subject": birth}, b"x" * 500)


def held(id_: str, birth: str, due_at: int = NOW - 10) -> HeldEvent:
    return HeldEvent(record(id_, birth), due_at, "away", NOW - 60_000, NOW + 60_000)
