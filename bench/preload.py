"""Settled messages put straight into a home that is not up: what a database holds after months, without the months.

Rows are written in the order of their keys with the indexes made afterwards, so a million takes seconds. Ids, numbers and
keys are random. Without `whole`, only what slows other writes down: acceptance rows and history rows. With it also the
payload and the row of each provider call, so that a message can be read by its id.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from ims import topics
from ims.adapters.sql.changes import attributes_text
from ims.adapters.sql.counters import seoul_day
from ims.adapters.sql.lane_tables import acceptance_slice, history, metadata
from ims.adapters.sql.settled import HISTORY_COLUMNS
from ims.cli.demo import ensure_demo
from ims.config import Settings
from ims.lanes import Lane
from ims.ports.dispatch import Call, CallOutcome, CallStatus, Dispatch, Member, Told, pack
from ims.protocol.envelope import Emit, Envelopes
from ims.protocol.events import MessageAccepted, Row, Shared
from ims.protocol.ids import acceptance_key, day_of, derived, new_birth
from ims.protocol.sealing import Sealer
from ims.rules.masking import masked
from ims.topics import Channel, SendType
from ims.wiring import open_registry

BATCH = 200
_DAY_MS = 86_400_000
_BYTES_A_ROW = {False: 500, True: 1_100}
_COLUMNS = """birth pos number service_key message_id campaign_id report_type result report_code provider provider_code attempts
recipient recipient_index bill_code template_code received_at distributed_at sent_at response_at report_at channel""".split()  # noqa: SIM905 - 22 lines
_OWN = "UPDATE daily SET count = count + ? WHERE day = ? AND service_key = ? AND report_type = ? AND result = ?"


@dataclass(frozen=True)
class Plan:
    """What to put where."""

    lane: Lane
    count: int
    days: Sequence[tuple[int, int]]  # periods (from, to; epoch ms), filled evenly; none crosses midnight UTC
    people: int = 0  # how many recipients share the messages; 0: each its own
    whole: bool = False
    sampled: int = 0  # how many of the messages are told back, with their numbers


async def service_keys(home: Path, where: Mapping[str, str]) -> dict[str, str]:
    """The first demo customer's service keys by kind, made as `ims up` would make them; `where`: settings of a profile with servers."""
    settings = Settings(home=home, **where)  # type: ignore[arg-type]
    if where:
        from ims.wiring.production import prepare

        await asyncio.to_thread(prepare, settings)
    async with open_registry(settings) as registry:
        keys: dict[str, str] = (await ensure_demo(registry))[0]["service_keys"]
        return keys


def load(home: Path, plan: Plan, service_key: str, rng: random.Random) -> list[tuple[str, str]]:
    """Fill a lane's file; (message id, number) of a sample."""
    assert HISTORY_COLUMNS == _COLUMNS, "the history table changed: adapt the loader"
    free = shutil.disk_usage(home).free
    if free < 2 * plan.count * _BYTES_A_ROW[plan.whole]:
        raise OSError(f"{plan.count:,} rows need more than the {free >> 30} GiB that are free")
    path = home / f"{plan.lane}.db"
    _create(path, plan)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    index = next(i for i in history.indexes if i.name)
    connection.execute(f"DROP INDEX {index.name}")
    maker = _Maker(plan, service_key, Sealer(Settings(home=home).keyring()), rng)
    for period in plan.days:
        connection.execute("BEGIN")
        maker.fill(connection, period, plan.count // len(plan.days))
        connection.execute("COMMIT")
    connection.execute(f"CREATE INDEX {index.name} ON history ({', '.join(c.name for c in index.columns)})")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)  # not while something is measured
    os.close(descriptor)
    return maker.sample


def _create(path: Path, plan: Plan) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        metadata.create_all(conn)
        for day in {day_of(start) for start, _ in plan.days}:
            acceptance_slice(day).create(conn, checkfirst=True)
    engine.dispose()


class _Maker:
    """Makes rows, a period at a time."""

    def __init__(self, plan: Plan, service_key: str, sealer: Sealer, rng: random.Random) -> None:
        self._plan = plan
        self._key = service_key
        self._sealer = sealer
        self._envelopes = Envelopes(sealer, "bench")
        self._rng = rng
        self._share = plan.sampled / plan.count
        self.sample: list[tuple[str, str]] = []

    def fill(self, connection: sqlite3.Connection, period: tuple[int, int], count: int) -> None:
        rng, plan = self._rng, self._plan
        moments = [rng.randrange(*period) for _ in range(-(-count // BATCH))]
        births = sorted((new_birth(plan.lane, at), at) for at in moments)
        acceptance: list[tuple[Any, ...]] = []
        slots = ",".join("?" * len(_COLUMNS))
        connection.executemany(f"INSERT INTO history VALUES ({slots})", self._history(connection, births, acceptance))
        acceptance.sort()
        connection.executemany(f"INSERT INTO acceptance_{day_of(period[0])} VALUES (?,?,?,?,?,1)", acceptance)
        days: dict[str, int] = {}
        for _, at in births:
            days[seoul_day(at)] = days.get(seoul_day(at), 0) + BATCH
        for day, n in days.items():
            if not connection.execute(_OWN, (n, day, self._key, "SMS", "DELIVERED")).rowcount:
                connection.execute("INSERT INTO daily VALUES (?,?,?,?,?)", (day, self._key, "SMS", "DELIVERED", n))

    def _history(
        self, connection: sqlite3.Connection, births: Sequence[tuple[str, int]], acceptance: list[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        rng, key, index = self._rng, self._key, self._sealer.index
        people = self._plan.people or 79_990_000
        for birth, at in births:
            rows = [(f"{rng.getrandbits(120):030x}", f"010{20_000_000 + rng.randrange(people)}") for _ in range(BATCH)]
            sent, answered, told = at + rng.randrange(20, 400), at + rng.randrange(400, 900), at + rng.randrange(900, 5_000)
            for pos, (message_id, number) in enumerate(rows):
                acceptance.append((acceptance_key(key, message_id), os.urandom(8), birth, pos, at))
                yield (
                    birth, pos, 1, key, message_id, "preloaded", "SMS", "DELIVERED", "0000", "simulator", "0000", 1, masked(number),
                    index(number), "", "", at, sent, sent, answered, told, "MT",
                )  # fmt: skip
            if rng.random() < self._share * BATCH:
                self.sample.append(rng.choice(rows))
            if self._plan.whole:
                self._store_whole(connection, birth, at, rows)

    def _store_whole(self, connection: sqlite3.Connection, birth: str, at: int, rows: Sequence[tuple[str, str]]) -> None:
        lane = self._plan.lane
        shared = Shared(
            service_key=self._key, customer="demo", lane=lane, channel=Channel.MT, message_type="SMS",
            text="#{name}님, 예약번호 #{code} 확인 부탁드립니다.", callback="15441234", campaign_id="preloaded",
        )  # fmt: skip
        members = [Row(pos=pos, message_id=id_, to=to, mapping={"name": "김민수", "code": to[-6:]}) for pos, (id_, to) in enumerate(rows)]
        data = MessageAccepted(birth=birth, attempt=1, received_at=at, send_by=at + _DAY_MS, shared=shared, rows=members)
        emit = Emit(topics.recv(Channel.MT, lane), birth, data, birth, lane, Channel.MT)
        record = self._envelopes.seal(emit, f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01", at)
        payload = (birth, record.topic, attributes_text(record), record.data, len(rows), at)
        connection.execute("INSERT INTO payloads VALUES (?,?,?,?,?,?)", payload)
        outcomes = [CallOutcome("accepted", "", "", f"{at}-{pos}") for pos in range(len(rows))]
        key = derived(birth, "call-1", 0)
        call = Call(
            key, "simulator", SendType.SMS, list(range(len(rows))), CallStatus.DONE,
            tries=1, first_at=at + 100, answered_at=at + 500, outcomes=outcomes, report_due=at + _DAY_MS,
        )  # fmt: skip
        told = Told(key, 1, "DELIVERED", "0000", at + 2_000, provider_code="0000", report_type="SMS")
        people = {pos: Member(pos, 0, "DELIVERED", [told]) for pos in range(len(rows))}
        doc = pack(Dispatch(birth=birth, attempt=1, received_at=at, send_by=at + _DAY_MS, version=3, calls=[call], members=people))
        connection.execute("INSERT INTO dispatches VALUES (?,1,3,?,0,?)", (birth, at, doc))
