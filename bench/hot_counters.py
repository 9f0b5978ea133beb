"""What it costs that every transaction of a service key moves the same counters, on a MySQL or MariaDB server.

    python -m bench.hot_counters mysql://ims:...@127.0.0.1:3306/ims      (makes ims_counters_realtime)

Writers (processes with connections) settle events of 20 messages each: history rows and counters in one transaction, as
`store` does. Three ways, by turns: one service key for all, its counters moved last (how it is); moved first; and a key for
each connection, which is what counters in many pieces could come to at best.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import secrets
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

from sqlalchemy import Connection, create_engine

from ims.adapters.sql import counters, settled
from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.lane_tables import metadata
from ims.adapters.sql.server import ServerDatabase, ServerLimits
from ims.lanes import Lane
from ims.ports.records import HistoryRow
from ims.protocol.ids import new_birth

NOW = 1_790_000_000_000
ROWS = 20
WAYS = ("one key, last", "one key, first", "a key each")


def _event(key: str) -> list[HistoryRow]:
    birth, times = new_birth(Lane.REALTIME, NOW), (NOW, NOW, NOW, NOW, NOW)
    told = ("SMS", "DELIVERED", "0000", "simulator", "", 1, "010****0000", secrets.token_bytes(12), "", "", *times, "MT")
    return [HistoryRow(birth, pos, 1, key, "m", "", *told) for pos in range(ROWS)]


async def _write(url: str, way: str, connections: int, seconds: float) -> tuple[int, list[float]]:
    address = ServerAddress.parse(url)
    db = ServerDatabase(address, address.database(Lane.REALTIME), ServerLimits(connections=connections))
    end, waits = time.monotonic() + seconds, []

    async def one() -> None:
        key = secrets.token_hex(8) if way == "a key each" else "hotkey"
        while time.monotonic() < end:
            rows = _event(key)

            def job(conn: Connection, rows: list[HistoryRow] = rows) -> None:
                if way == "one key, first":
                    counters.count(conn, {(counters.seoul_day(NOW), "hotkey", "SMS", "FIRST"): 1})
                settled.write(conn, rows)

            began = time.perf_counter()
            await db.write(job)
            waits.append((time.perf_counter() - began) * 1e3)

    await asyncio.gather(*(one() for _ in range(connections)))
    await db.close()
    return len(waits), waits


def _process(url: str, way: str, connections: int, seconds: float) -> tuple[int, list[float]]:
    return asyncio.run(_write(url, way, connections, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8, help="of each process")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    url = f"{given.where}_counters"
    address = ServerAddress.parse(url)
    server = create_engine(address.url("pymysql"))
    with server.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {address.database(Lane.REALTIME)}")
    server.dispose()
    lane = create_engine(address.url("pymysql", address.database(Lane.REALTIME)))
    metadata.create_all(lane, tables=[t for t in metadata.sorted_tables if not t.info.get("embedded")])
    lane.dispose()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    waits: dict[str, list[float]] = {way: [] for way in WAYS}
    with ProcessPoolExecutor(given.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in range(given.turns):
            for way in WAYS:
                asked = [pool.submit(_process, url, way, given.connections, given.seconds) for _ in range(given.processes)]
                answers = [a.result() for a in asked]
                found[way].append(sum(n for n, _ in answers) / given.seconds)
                waits[way] += [w for _, ws in answers for w in ws]
    print(f"{given.processes} processes of {given.connections} connections, {ROWS} messages a transaction\n")
    print("| Counters | transactions/s, median of turns | messages/s | ms, median | ms, p99 |\n|---|---|---|---|---|")
    for way in WAYS:
        rate = statistics.median(found[way])
        cuts = statistics.quantiles(waits[way], n=100)
        print(f"| {way} | {rate:.0f} | {rate * ROWS:.0f} | {cuts[49]:.1f} | {cuts[98]:.1f} |")


if __name__ == "__main__":
    main()
