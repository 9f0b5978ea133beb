"""Every server of the production profile behind TLS and, where it knows users, a password: with the right ones work goes on,
with wrong ones nobody gets in, and the three ways of not getting in are told apart."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.mongo.traces import MongoTraces
from ims.adapters.redis.shared import RedisShared
from ims.adapters.s3.files import S3Files
from ims.adapters.sql.address import ServerAddress
from ims.adapters.sql.migrate import migrate_server
from ims.adapters.sql.server import ServerDatabase
from ims.config import Settings
from ims.errors import ImsError, LoginRefused, Unavailable, Untrusted
from ims.ports.clock import system_clock
from ims.ports.records import Change
from ims.protocol.ids import day_of
from ims.wiring.doctor import examine
from ims.wiring.production import kafka as connection_of
from infra.fixtures import Shared
from infra.place import free_ports
from infra.tls import certificates_in
from tests.contracts.log.logs import LANE, REPORT, KafkaLog, records
from tests.contracts.records.conftest import NOW

SERVERS = ("kafka", "mariadb", "redis", "redis-cluster", "mongo", "aws")
WITH_USERS = ("kafka", "mariadb", "redis", "redis-cluster")  # mongo-java-server knows none, moto believes everybody
PART = {"kafka": "log", "mariadb": "records", "redis": "cache", "redis-cluster": "cache", "mongo": "traces", "aws": "files"}
ELSEWHERE = {
    "profile": "production",
    "log": "kafka://127.0.0.1:1",
    "records": "mysql://u:p@127.0.0.1:1/ims",
    "cache": "redis://127.0.0.1:1",
    "traces": "mongodb://127.0.0.1:1",
    "files": "s3://ims?endpoint=http://127.0.0.1:1",
}


@dataclass(frozen=True)
class Door:
    """How one server of the run is got into, and how not."""

    name: str
    server: Shared

    def right(self) -> Settings:
        return self._settings(lambda value: value)

    def of_another_authority(self, folder: Path) -> Settings:
        mine, other = self.server.home / "run" / "tls" / "authority.pem", certificates_in(folder / "tls").authority
        return self._settings(lambda value: value.replace(str(mine), str(other)))

    def with_a_wrong_password(self) -> Settings:
        (file,) = (self.server.home / "run").glob("*.secret")
        return self._settings(lambda value: value.replace(file.read_text(), "wrong"))

    def where_nobody_is(self) -> Settings:
        (port,) = free_ports(1)
        there = {str(number) for name, number in self.server.ports.items() if name.startswith(self.name)}
        return self._settings(lambda value: _replaced(value, there, str(port)))

    def without_tls(self) -> Settings:
        plain = {"kafka+ssl:": "kafka:", "rediss": "redis", "https:": "http:"}
        settings = {name: value for name, value in self._given().items() if not name.endswith("ca_file")}
        for one, other in plain.items():
            settings = {name: value.replace(one, other) for name, value in settings.items()}
        return Settings(**ELSEWHERE | {name: value.split("?tls")[0].split("&tls")[0] for name, value in settings.items()})  # type: ignore[arg-type]

    def _settings(self, changed: Callable[[str], str]) -> Settings:
        return Settings(**ELSEWHERE | {name: changed(value) for name, value in self._given().items()})  # type: ignore[arg-type]

    def _given(self) -> dict[str, str]:
        return {name.removeprefix("IMS_").lower(): value for name, value in self.server.settings.items() if name.startswith("IMS_")}


def _replaced(value: str, ports: set[str], other: str) -> str:
    for port in ports:
        value = value.replace(f":{port}", f":{other}")
    return value


@pytest.fixture
def door(request: pytest.FixtureRequest, secure: Callable[[str], Shared]) -> Door:
    return Door(request.param, secure(request.param))


# --- one call of each adapter


async def _kafka(settings: Settings) -> None:
    appender = KafkaAppender(connection_of(settings), deadline_s=8)
    try:
        await appender.append(records(1))
    finally:
        await appender.close()


async def _mariadb(settings: Settings) -> None:
    database = ServerDatabase(ServerAddress.parse(settings.records), "information_schema")
    try:
        await database.read(lambda conn: conn.exec_driver_sql("SELECT 1").one())
    finally:
        await database.close()


async def _redis(settings: Settings) -> None:
    shared = RedisShared(settings.cache, system_clock(), ca_file=settings.cache_ca_file, prefix=secrets.token_hex(4))
    try:
        assert await shared.lease("a", "me", 5)
        assert not await shared.lease("a", "you", 5)
    finally:
        await shared.close()


async def _mongo(settings: Settings) -> None:
    traces = MongoTraces(settings.traces)
    try:
        assert await traces.statistics(0, 1) == []
    finally:
        await traces.close()


async def _s3(settings: Settings) -> None:
    files = S3Files(settings.files)
    try:
        await files.put("secure/a", b"1")
        assert await files.get("secure/a") == b"1"
    finally:
        await files.close()


CALLS: dict[str, Callable[[Settings], Awaitable[None]]] = {
    "kafka": _kafka,
    "mariadb": _mariadb,
    "redis": _redis,
    "redis-cluster": _redis,
    "mongo": _mongo,
    "aws": _s3,
}


async def kind_of_failure(call: Callable[[Settings], Awaitable[None]], settings: Settings) -> type[ImsError]:
    with pytest.raises(Unavailable) as caught:  # never what refuses to start, and never a fault: it may be there again
        async with asyncio.timeout(60):
            await call(settings)
    return caught.type


@pytest.mark.parametrize("door", [name for name in SERVERS if name != "kafka"], indirect=True)
async def test_work_goes_on_behind_tls(door: Door) -> None:
    await CALLS[door.name](door.right())


async def test_records_go_through_a_log_behind_tls_and_a_password(secure: Callable[[str], Shared]) -> None:
    log, made = KafkaLog(connection_of(Door("kafka", secure("kafka")).right())), records(3)
    subscription = log.subscription("g", REPORT)
    await log.commit(LANE, Change(), made)
    got: list[str] = []
    async with asyncio.timeout(60):
        while len(got) < len(made):
            await subscription.wait(1)
            got += [delivery.attributes["id"] for delivery in await subscription.fetch(10)]
    assert sorted(got) == sorted(record.id for record in made)
    await log.close()


def test_a_server_behind_tls_is_migrated(secure: Callable[[str], Shared]) -> None:
    address = ServerAddress.parse(Door("mariadb", secure("mariadb")).right().records)
    assert {(done.database, done.before) for done in migrate_server(address, day_of(NOW))} == {(name, "") for name in address.databases()}


@pytest.mark.parametrize("door", [name for name in SERVERS if name != "kafka"], indirect=True)
async def test_a_certificate_of_another_authority_is_not_trusted(door: Door, tmp_path: Path) -> None:
    assert await kind_of_failure(CALLS[door.name], door.of_another_authority(tmp_path)) is Untrusted


@pytest.mark.parametrize("door", [name for name in WITH_USERS if name != "kafka"], indirect=True)
async def test_a_wrong_password_is_refused(door: Door) -> None:
    assert await kind_of_failure(CALLS[door.name], door.with_a_wrong_password()) is LoginRefused


@pytest.mark.parametrize("door", SERVERS, indirect=True)
async def test_nobody_there_is_neither(door: Door) -> None:
    assert await kind_of_failure(CALLS[door.name], door.where_nobody_is()) is Unavailable


@pytest.mark.parametrize("door", ["kafka"], indirect=True)
async def test_an_append_behind_a_shut_door_is_one_that_the_outbox_takes(door: Door, tmp_path: Path) -> None:
    """kafka-python's producer says only that its time is over: whatever the reason, the message must not be lost by it."""
    for settings in (door.of_another_authority(tmp_path), door.with_a_wrong_password()):
        assert issubclass(await kind_of_failure(_kafka, settings), Unavailable)


@pytest.mark.parametrize("door", SERVERS, indirect=True)
async def test_without_tls_nobody_gets_in(door: Door) -> None:
    assert not issubclass(await kind_of_failure(CALLS[door.name], door.without_tls()), Untrusted)


async def test_a_bucket_that_refuses_us_is_a_refused_login(tmp_path: Path) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = b"<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    settings = Settings(**ELSEWHERE | {"files": f"s3://ims?endpoint=http://127.0.0.1:{server.server_port}"})  # type: ignore[arg-type]
    assert await kind_of_failure(_s3, settings) is LoginRefused
    server.shutdown()
    server.server_close()


# --- what `ims doctor` makes of it


async def said(settings: Settings, part: str) -> str:
    (finding,) = [f for f in await examine(settings) if f.what == part]
    assert not finding.ok
    return finding.do


@pytest.mark.parametrize("door", SERVERS, indirect=True)
async def test_the_doctor_names_what_to_look_at(door: Door, tmp_path: Path) -> None:
    part = PART[door.name]
    wrong = {"signed its certificate": door.of_another_authority(tmp_path), "runs and is reached from here": door.where_nobody_is()}
    if door.name in WITH_USERS:
        wrong["it answers: look at"] = door.with_a_wrong_password()
    told = await asyncio.gather(*(said(settings, part) for settings in wrong.values()))
    assert [words in do for words, do in zip(wrong, told, strict=True)] == [True] * len(wrong), told


@pytest.mark.parametrize("door", ["mariadb"], indirect=True)
async def test_the_doctor_sends_to_migrate_where_no_database_was_made(door: Door) -> None:
    settings = door.right()
    empty = settings.model_copy(update={"records": settings.records.replace("/ims?", "/ims_nothing?")})
    found = {f.what: f for f in await examine(empty)}
    assert found["records: durable at commit"].ok, "the server itself is looked at all the same"
    assert (found["records: ims_nothing_auth"].ok, found["records: ims_nothing_auth"].do) == (False, "ims migrate")
