"""`ims doctor`: is every server there, of a version that we know, with our tables and topics, on our time, letting us do our work?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from ims.adapters.kafka.topics import check_topics
from ims.adapters.mongo.traces import MongoTraces
from ims.adapters.redis.shared import RedisShared
from ims.adapters.s3.files import S3Files
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.migrate import current, head
from ims.adapters.sql.server import ServerDatabase, ServerLimits
from ims.config import Settings
from ims.errors import ImsError, LoginRefused, Misconfigured, Untrusted
from ims.lanes import Lane
from ims.ports.clock import system_clock
from ims.wiring.production import kafka

T = TypeVar("T")

CLOCK_MOST_S = 2.0  # between our clock and a server's; leases and days are counted in seconds and minutes
PROCESSES = 5  # of `ims up`; a pod is one more each
_DATABASES = 5
_LIMIT_S = 30.0
_PATIENT_S = 10.0  # of a call of Redis: a doctor wants the reason, work wants to go on
_PROBE = "doctor/probe"
_AUTHORITY = {
    "log": "IMS_LOG_CA_FILE",
    "records": "tls_ca of IMS_RECORDS",
    "cache": "IMS_CACHE_CA_FILE",
    "traces": "tlsCAFile of IMS_TRACES",
    "files": "tls_ca of IMS_FILES",
}
_LOGIN = {
    "log": "IMS_LOG_USERNAME, IMS_LOG_PASSWORD and IMS_LOG_SASL_MECHANISM",
    "records": "user and password of IMS_RECORDS",
    "cache": "user and password of IMS_CACHE",
    "traces": "user and password of IMS_TRACES",
    "files": "the credentials of AWS",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    do: str = ""  # when it is not well


async def examine(settings: Settings) -> list[Finding]:
    """Everything, each part for itself: one server that is away hides nothing of the others."""
    parts: list[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]]] = [
        ("log", _log),
        ("records", _records),
        ("cache", _cache),
        ("traces", _traces),
        ("files", _files),
    ]
    found = await asyncio.gather(*(_looked(name, look, settings) for name, look in parts))
    return [finding for part in found for finding in part]


async def _looked(name: str, look: Callable[[Settings], Awaitable[list[Finding]]], settings: Settings) -> list[Finding]:
    try:
        return await asyncio.wait_for(look(settings), _LIMIT_S)
    except (ImsError, TimeoutError, OSError) as exc:
        return [Finding(name, False, f"{type(exc).__name__}: {exc}"[:160], _advice(name, exc))]


def _advice(name: str, exc: Exception) -> str:
    """What to do about a server that we did not get to."""
    if isinstance(exc, Untrusted):
        return f"{_AUTHORITY[name]} must be who signed its certificate, and IMS_{name.upper()} the name that stands in it"
    if isinstance(exc, LoginRefused):
        return f"it answers: look at {_LOGIN[name]}, at what that user may do, and at whether it wants TLS"
    if isinstance(exc, Misconfigured):
        return "change the setting, or what this user may do there"
    return f"see that the server of IMS_{name.upper()} runs and is reached from here, with TLS where it wants that"


async def _log(settings: Settings) -> list[Finding]:
    away = [d for d in await asyncio.to_thread(check_topics, kafka(settings)) if d.what in ("topic", "copies")]
    shown = "; ".join(map(str, away[:3])) + (f"; {len(away) - 3} more" if len(away) > 3 else "")
    return [Finding("log: topics", not away, shown or "all there", "ims topics apply" if away else "")]


async def _records(settings: Settings) -> list[Finding]:
    address = ServerAddress.parse(settings.records)
    facts = await _read(address, "information_schema", _facts)  # which everybody may read, also where none of ours was made yet
    findings = _server(facts, settings)
    for part in (*Lane, REGISTRY):
        name = address.database(part)
        step = await _read(address, name, current) if name in facts.databases else ""
        wanted = head("registry" if part == REGISTRY else "lane")
        found = f"at step {step or 'none'}" if name in facts.databases else "not made yet, or hidden from this user"
        findings.append(Finding(f"records: {name}", step == wanted, found, "ims migrate"))
    return [f if not f.ok else Finding(f.what, f.ok, f.found) for f in findings]


async def _read(address: ServerAddress, name: str, job: Callable[[Connection], T]) -> T:
    database = ServerDatabase(address, name, ServerLimits(connections=1))
    try:
        return await database.read(job)
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class _Facts:
    version: str
    isolation: str
    sync: int
    connections: int
    apart_s: float  # our clock and the server's
    databases: frozenset[str]  # that this user may see


def _facts(conn: Connection) -> _Facts:
    at = time.time()
    version = str(conn.exec_driver_sql("SELECT VERSION()").scalar())
    isolation = "@@tx_isolation" if "MariaDB" in version else "@@transaction_isolation"
    row = conn.exec_driver_sql(
        f"SELECT {isolation}, @@innodb_flush_log_at_trx_commit, @@max_connections, UNIX_TIMESTAMP(NOW(6))"
    ).one()
    apart_s = abs(float(row[3]) - (at + time.time()) / 2)
    databases = frozenset(str(name) for (name,) in conn.exec_driver_sql("SELECT schema_name FROM information_schema.schemata"))
    return _Facts(version, str(row[0]), int(row[1]), int(row[2]), apart_s, databases)


def _server(facts: _Facts, settings: Settings) -> list[Finding]:
    most = settings.records_connections * _DATABASES * PROCESSES
    return [
        Finding("records: version", True, facts.version),
        Finding("records: isolation", facts.isolation == "READ-COMMITTED", facts.isolation, "something between changes our sessions"),
        Finding(
            "records: durable at commit",
            facts.sync == 1,
            f"innodb_flush_log_at_trx_commit = {facts.sync}",
            "set it to 1: 0000 promises that a power loss loses nothing",
        ),
        Finding(
            "records: connections",
            facts.connections > most,
            f"{facts.connections} allowed; {PROCESSES} processes may open {most}",
            "raise max_connections, or lower IMS_RECORDS_CONNECTIONS",
        ),
        Finding("records: clock", facts.apart_s < CLOCK_MOST_S, f"{facts.apart_s:.2f} s apart", "keep both machines on NTP"),
    ]


async def _cache(settings: Settings) -> list[Finding]:
    shared = RedisShared(settings.cache, system_clock(), ca_file=settings.cache_ca_file, time_limit_s=_PATIENT_S)
    try:
        taken = await shared.lease("doctor", "doctor", 1)
        found, do = ("taken and kept", "") if taken else ("held by another doctor", "try again in a second")
        return [Finding("cache: leases", taken, found, do)]
    finally:
        await shared.close()


async def _traces(settings: Settings) -> list[Finding]:
    traces = MongoTraces(settings.traces)
    try:
        found = await traces.statistics(0, 1)
        return [Finding("traces: read", True, f"answers ({len(found)} hours of 1970)")]
    finally:
        await traces.close()


async def _files(settings: Settings) -> list[Finding]:
    files = S3Files(settings.files)
    try:
        await files.put(_PROBE, b"ims doctor")
        same = await files.get(_PROBE) == b"ims doctor"
        await files.delete(_PROBE)
        found, do = ("the same bytes", "") if same else ("other bytes", "look at the bucket's settings")
        return [Finding("files: put, get, delete", same, found, do)]
    finally:
        await files.close()
