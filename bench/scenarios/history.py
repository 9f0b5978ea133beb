"""Looking things up in a large history: a message by its id, a recipient, a day."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.histogram import Histogram
from bench.preload import Plan, load, service_keys
from bench.results import Figure, Outcome
from bench.rig import Rig, rig
from bench.scenario import STUB, Bench, Scenario
from ims.adapters.sql.counters import seoul_day
from ims.config import Settings
from ims.lanes import Lane
from ims.protocol.ids import day_of
from ims.protocol.sealing import Sealer

_DAY_MS = 86_400_000
_PAGE = 100
_RECIPIENT = (
    "SELECT service_key, message_id, result, report_code, recipient, received_at, report_at FROM history "
    "WHERE recipient_index = ? AND received_at >= ? AND received_at < ? ORDER BY received_at DESC LIMIT ?"
)
_DAY = "SELECT report_type, result, sum(count) FROM daily WHERE day = ? AND service_key IN ({}) GROUP BY report_type, result"
_BY_ID, _AGAIN = "one message by id, p99", "the same messages once more, p99"
_BY_RECIPIENT, _BY_DAY = "one recipient over 30 days, p99", "one day of a customer, p99"


async def run(bench: Bench) -> Outcome:
    sample: list[tuple[str, str]] = []
    outcome = Outcome()
    today = day_of(int(time.time() * 1000))
    days = [((today - n) * _DAY_MS, (today - n + 1) * _DAY_MS - 1) for n in range(bench["days"], 0, -1)]

    async def prepare(home: Path, where: Mapping[str, str]) -> None:
        home.mkdir(mode=0o700)
        keys = await service_keys(home, where)
        begun = time.monotonic()
        plan = Plan(Lane.MASS, bench["rows"], days, people=bench["people"], whole=True, sampled=4 * bench["asked"])
        sample.extend(await asyncio.to_thread(load, home, plan, keys[Lane.MASS], bench.rng))
        outcome.details["loading_s"] = round(time.monotonic() - begun, 1)
        outcome.details["file_gib"] = round((home / "mass.db").stat().st_size / 2**30, 2)
        _forget(home / "mass.db")

    async with rig(prepare=prepare, **STUB) as home:
        asked = bench.rng.sample(sample, min(bench["asked"], len(sample)))
        ids = [message_id for message_id, _ in asked]
        async with bench.profiling(home, "one message by id"):
            by_id, found = await asyncio.to_thread(_by_id, home, ids)
            again, _ = await asyncio.to_thread(_by_id, home, ids)
        by_recipient, rows = await asyncio.to_thread(_by_recipient, home, [number for _, number in asked], days[-min(30, len(days))][0])
        by_day, counted = await asyncio.to_thread(_by_day, home, [seoul_day(start) for start, _ in days], bench.rng)
    outcome.checks["every message that was asked for was found DELIVERED"] = found == len(asked)
    outcome.checks["recipients and days have rows"] = rows > 0 and counted > 0
    outcome.details["rows_of_a_recipient"] = round(rows / len(asked), 2)
    for name, latency, reach in ((_BY_ID, by_id, 5), (_AGAIN, again, None), (_BY_RECIPIENT, by_recipient, 100), (_BY_DAY, by_day, 100)):
        outcome.figures.append(Figure(name, latency.percentile(0.99) / 1000, "ms", reach, lower_is_better=True))
        outcome.distributions[name] = latency.summary()
    return outcome


def _forget(path: Path) -> None:
    """Out of the page cache: a history is mostly not there."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _by_id(home: Rig, ids: Sequence[str]) -> tuple[Histogram, int]:
    """GET report/{message_id}, one after the other on one connection; how many were found."""
    job = home.job("mass", "report", seed=0, count=1)
    path = job.path.replace("/mt/report", "/report")
    connection = http.client.HTTPConnection(urlsplit(home.facts["intake"]).hostname or "", job.port, timeout=30)
    latency, found = Histogram(), 0
    for message_id in ids:
        begun = time.perf_counter()
        connection.request("GET", f"{path}/{message_id}", headers=job.headers)
        answer = connection.getresponse()
        body = answer.read()
        latency.add(int((time.perf_counter() - begun) * 1e6))
        found += answer.status == 200 and b'"DELIVERED"' in body
    connection.close()
    return latency, found


def _lanes(home: Path) -> Iterator[sqlite3.Connection]:
    for lane in Lane:
        path = home / f"{lane}.db"
        if path.exists():
            yield sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _by_recipient(home: Rig, numbers: Sequence[str], since: int) -> tuple[Histogram, int]:
    """Every lane's newest rows of a number since; how many there were."""
    sealer = Sealer(Settings(home=home.home).keyring())
    lanes, until = list(_lanes(home.home)), int(time.time() * 1000)
    latency, rows = Histogram(), 0
    for number in numbers:
        begun = time.perf_counter()
        index = sealer.index(number)
        rows += sum(len(lane.execute(_RECIPIENT, (index, since, until, _PAGE)).fetchall()) for lane in lanes)
        latency.add(int((time.perf_counter() - begun) * 1e6))
    return latency, rows


def _by_day(home: Rig, days: Sequence[str], rng: random.Random) -> tuple[Histogram, int]:
    """A customer's counters of random days; the sum of all."""
    keys = list(home.customer["service_keys"].values())
    query = _DAY.format(",".join("?" * len(keys)))
    lanes = list(_lanes(home.home))
    latency, counted = Histogram(), 0
    for _ in range(max(100, len(days))):
        begun = time.perf_counter()
        counted += sum(row[2] for lane in lanes for row in lane.execute(query, (rng.choice(days), *keys)))
        latency.add(int((time.perf_counter() - begun) * 1e6))
    return latency, counted


SCENARIO = Scenario(
    "history",
    "rows loaded directly into a lane file, spread over 60 days and a million recipients, whole (acceptance, payload, provider call, "
    "history), and out of the page cache at first; a message by GET report/{id} over HTTP, one after another; a recipient and a day by "
    "the queries that their indexes are for, over all lane files (nothing of IMS serves these two yet)",
    {"rows": 10_000_000, "days": 60, "people": 1_000_000, "asked": 1_000, "limit_s": 900, "profile_after_s": 0, "profile_for_s": 5},
    {"rows": 12_000, "days": 30, "people": 500, "asked": 50, "limit_s": 40, "profile_after_s": 0, "profile_for_s": 3},
    3_600,
    run,
    shares=False,
)
