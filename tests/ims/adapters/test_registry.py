"""The registry on SQL: tenants apart, changes seen in time, secrets that overlap."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.opted_out import among
from ims.adapters.sql.registry import KEPT_S, RECHECK_S, SqlRegistry
from ims.adapters.sql.registry_tables import create, metadata
from ims.adapters.sql.registry_writes import Issued
from ims.adapters.sql.server import ServerDatabase
from ims.errors import Misconfigured, Rejected, Unavailable
from ims.lanes import Lane
from ims.protocol.sealing import Keyring, Sealer
from ims.rules.registration import RegistrationRefused, parse_registration

T = TypeVar("T")


class CountedDatabase:
    """A Database on one in-memory SQLite connection or on a server; counts what it is asked and can be away.

    `engine` is the test's own way in, `asked` what the registry's statements go through.
    """

    def __init__(self, engine: Engine | None = None, server: ServerDatabase | None = None) -> None:
        memory = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        self.engine = engine or create_engine("sqlite://", **memory)
        self.server = server
        self._lock = threading.Lock()
        self.reads = self.writes = 0
        self.away = False
        self.slow_s = 0.0
        with self.engine.begin() as conn:
            create(conn)

    async def read(self, job: Callable[[Connection], T], *, few: bool = False) -> T:
        self.reads += 1
        await asyncio.sleep(self.slow_s)
        return await self._run(job, write=False)

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False) -> T:
        assert durable, "every write of the registry is durable"
        self.writes += 1
        return await self._run(job, write=True)

    @property
    def asked(self) -> Engine:
        return self.engine if self.server is None else self.server._engine().sync_engine

    async def _run(self, job: Callable[[Connection], T], *, write: bool) -> T:
        if self.away:
            raise Unavailable("the test took it away")
        if self.server is not None:
            return await (self.server.write(job, durable=True) if write else self.server.read(job))
        with self._lock, self.engine.begin() as conn:
            return job(conn)


class World:
    """Two processes that share a database, with clocks that the test moves."""

    def __init__(self, db: CountedDatabase) -> None:
        self.db = db
        self.ring = Keyring.generate()
        self.now_ms = 1_790_000_000_000
        self.monotonic = 100.0
        self.registry, self.other = self.process(), self.process()

    def process(self) -> SqlRegistry:
        return SqlRegistry(self.db, Sealer(self.ring), now_ms=lambda: self.now_ms, monotonic=lambda: self.monotonic)

    async def register(self, *customers: dict[str, Any]) -> list[Issued]:
        return await self.registry.register(parse_registration(json.dumps({"customers": customers})))

    def passes(self, seconds: float) -> None:
        self.monotonic += seconds
        self.now_ms += int(seconds * 1000)


def customer(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "username": f"{name}-api",
        "secret": f"the-secret-of-{name}",
        "endpoint": f"https://{name}.kr/ims",
        "callback_allowed": [f"https://{name}.kr/"],
        "service_keys": [
            {"key": f"{name}Auth", "kind": "auth"},
            {"key": f"{name}Mass", "kind": "mass", "rate_per_s": 9, "allowed_ips": ["10.0.0.0/8"]},
        ],
        "sender_numbers": ["15441234"] if name == "acme" else ["15881234"],
        "sender_profiles": [name.ljust(40, "0")],
        "templates": [{"code": "WELCOME_01", "channel": "at", "text": f"{name}: #{{name}}"}],
    } | more


@pytest.fixture(scope="session")
def address(request: pytest.FixtureRequest) -> ServerAddress:
    """A registry's database of this worker's own on the shared server."""
    made = ServerAddress.parse(f"{request.getfixturevalue('mariadb').url}_{secrets.token_hex(3)}")
    engine = create_engine(made.url("pymysql"))
    with engine.connect() as conn:
        conn.execute(text(f"create database {made.database(REGISTRY)}"))
    engine.dispose()
    return made


def on_a_server(address: ServerAddress) -> CountedDatabase:
    engine = create_engine(address.url("pymysql", address.database(REGISTRY)))
    metadata.drop_all(engine)
    return CountedDatabase(engine, ServerDatabase(address, address.database(REGISTRY)))


@pytest.fixture(params=["sqlite", "mariadb"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    db = CountedDatabase() if request.param == "sqlite" else on_a_server(request.getfixturevalue("address"))
    made = World(db)
    await made.register(customer("acme"), customer("bolt"))
    yield made
    db.engine.dispose()
    if db.server is not None:
        await db.server.close()


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


# --- registering


async def test_what_was_registered_is_in_the_directory(world: World) -> None:
    directory = await world.registry.directory()
    key = directory.service_key("acmeMass")
    assert key is not None
    assert (key.customer, key.kind, key.active, key.allowed_ips, key.rate_per_s, key.daily_cap) == (
        "acme",
        Lane.MASS,
        True,
        ("10.0.0.0/8",),
        9,
        0,
    )
    acme = directory.customer("acme")
    assert acme is not None
    assert acme.credentials == {"acme-api": (digest("the-secret-of-acme"),)}
    assert directory.customer_of("acme-api") is acme
    assert directory.customer_of("acme") is None
    assert acme.endpoint == "https://acme.kr/ims"
    assert acme.callback_allowed == ("https://acme.kr/",)
    assert len(acme.callback_secrets) == 1
    template = directory.template("acme", "at", "WELCOME_01")
    assert template is not None
    assert template.text == "acme: #{name}"


async def test_registering_again_changes_nothing_and_generates_nothing(world: World) -> None:
    before = await world.registry.directory()
    again = await world.register(customer("acme"), customer("bolt"))
    assert [(i.secret, i.callback_secret) for i in again] == [(None, None), (None, None)]
    after = await world.registry.directory()
    assert (before.keys, before.customers, before.numbers, before.profiles, before.templates) == (
        after.keys,
        after.customers,
        after.numbers,
        after.profiles,
        after.templates,
    )


async def test_absent_secrets_and_keys_are_generated_once(world: World) -> None:
    bare = {"name": "core", "username": "core", "service_keys": [{"kind": "ad"}, {"kind": "ad"}, {"kind": "auth"}]}
    first = (await world.register(bare))[0]
    assert first.secret is not None
    assert first.callback_secret is not None
    assert len({k.key for k in first.service_keys}) == 3
    assert first.secret not in repr(first)
    second = (await world.register(bare))[0]
    assert (second.secret, second.callback_secret) == (None, None)
    assert {k.key for k in second.service_keys} == {k.key for k in first.service_keys}
    found = (await world.registry.directory()).customer("core")
    assert found is not None
    assert found.credentials == {"core": (digest(first.secret),)}
    assert found.callback_secrets == (first.callback_secret,)


async def test_what_a_file_leaves_out_stays(world: World) -> None:
    await world.register({"name": "acme", "username": "acme-api", "service_keys": [{"key": "acmeMass", "kind": "mass"}]})
    directory = await world.registry.directory()
    acme, key = directory.customer("acme"), directory.service_key("acmeMass")
    assert acme is not None
    assert acme.endpoint == "https://acme.kr/ims"
    assert acme.credentials == {"acme-api": (digest("the-secret-of-acme"),)}
    assert key is not None
    assert key.rate_per_s == 9


async def test_a_stopped_key_stays_stopped_when_registered_again(world: World) -> None:
    await world.registry.stop_key("acme", "acmeAuth")
    await world.register(customer("acme"))
    key = (await world.registry.directory()).service_key("acmeAuth")
    assert key is not None
    assert not key.active


async def test_clashes_with_other_customers_are_told_at_once_and_nothing_is_registered(world: World) -> None:
    thief = customer("thief", username="acme-api", service_keys=[{"key": "boltAuth", "kind": "auth"}, {"key": "acmeMass", "kind": "mass"}])
    with pytest.raises(RegistrationRefused) as refused:
        await world.register(
            customer("fine"), thief, customer("acme", service_keys=[{"key": "acmeAuth", "kind": "ad"}]) | {"username": "acme2"}
        )
    assert {p.place for p in refused.value.problems} == {
        "customers[1].username",
        "customers[1].service_keys[0].key",
        "customers[1].service_keys[1].key",
        "customers[2].service_keys[0].kind",
    }
    assert (await world.registry.directory()).customer("fine") is None


async def test_no_secret_lies_in_the_tables_in_clear(world: World) -> None:
    acme = (await world.registry.directory()).customer("acme")
    assert acme is not None
    with world.db.engine.connect() as conn:
        everything = repr([conn.execute(table.select()).all() for table in metadata.sorted_tables])
    assert "the-secret-of-acme" not in everything
    assert acme.callback_secrets[0] not in everything


# --- tenants


async def test_tenants_are_apart(world: World) -> None:
    directory = await world.registry.directory()
    assert directory.owns_callback("acme", "15441234")
    assert not directory.owns_callback("bolt", "15441234")
    assert directory.owns_profile("bolt", "bolt".ljust(40, "0"))
    assert not directory.owns_profile("acme", "bolt".ljust(40, "0"))
    acme, bolt = directory.template("acme", "at", "WELCOME_01"), directory.template("bolt", "at", "WELCOME_01")
    assert acme != bolt
    assert directory.template("acme", "mt", "WELCOME_01") is None
    assert directory.customer("acme") != directory.customer("bolt")


async def test_a_customer_can_not_touch_another_ones_key(world: World) -> None:
    with pytest.raises(Rejected):
        await world.registry.stop_key("bolt", "acmeAuth")
    assert {k.customer for k in await world.registry.list_keys("acme")} == {"acme"}
    assert len(await world.registry.list_keys()) == 4


async def test_opt_outs_are_of_one_customer_and_channel(world: World) -> None:
    who = world.registry.index("01012345678")
    assert await world.registry.add_opt_outs("acme", "mt", [who, who]) == 1
    assert await world.registry.add_opt_outs("acme", "mt", [who]) == 0
    assert await world.registry.opted_out("acme", "mt", [who]) == {who}
    assert await world.registry.opted_out("acme", "at", [who]) == set()
    assert await world.registry.opted_out("bolt", "mt", [who]) == set()
    assert await world.registry.remove_opt_outs("bolt", "mt", [who]) == 0
    assert await world.registry.remove_opt_outs("acme", "mt", [who]) == 1
    assert await world.registry.opted_out("acme", "mt", [who]) == set()


@pytest.mark.parametrize("call", ["key", "rotate", "callback", "opt-out", "stop"])
async def test_an_unknown_customer_is_refused(world: World, call: str) -> None:
    registry = world.registry
    doing = {
        "key": lambda: registry.issue_key("nobody", Lane.AUTH),
        "rotate": lambda: registry.rotate_secret("nobody"),
        "callback": lambda: registry.rotate_callback_secret("nobody"),
        "opt-out": lambda: registry.add_opt_outs("nobody", "mt", [b"x" * 12]),
        "stop": lambda: registry.put_stop("customer", "nobody"),
    }
    with pytest.raises(Rejected, match="no such customer"):
        await doing[call]()


# --- opt-outs are looked up


async def test_an_opt_out_counts_at_once_in_every_process(world: World) -> None:
    who = [world.registry.index(f"0105555{n:04}") for n in range(1_200)]
    assert await world.other.opted_out("acme", "mt", who) == set()
    await world.registry.add_opt_outs("acme", "mt", who[100:1_100])
    assert await world.other.opted_out("acme", "mt", who) == set(who[100:1_100])
    assert await world.other.opted_out("acme", "mt", []) == set()


async def test_opt_outs_list_counts_and_dates(world: World) -> None:
    first_at = world.now_ms
    await world.registry.add_opt_outs("acme", "mt", [world.registry.index("01012345678")])
    world.passes(60)
    await world.registry.add_opt_outs("acme", "mt", [world.registry.index("01087654321")])
    (listed,) = await world.registry.list_opt_outs("acme")
    assert (listed.channel, listed.count, listed.first_at, listed.last_at) == ("mt", 2, first_at, first_at + 60_000)
    assert await world.registry.list_opt_outs("bolt") == []


def test_the_opt_out_query_reads_the_primary_key_alone() -> None:
    db = CountedDatabase()
    seen: list[str] = []
    with db.engine.connect() as conn:
        driver = conn.connection.dbapi_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(seen.append)
        assert among(conn, "acme", "mt", [b"1" * 12, b"2" * 12]) == set()
        driver.set_trace_callback(None)
        (sql,) = (s for s in seen if "opt_outs" in s)
        plan = conn.exec_driver_sql(f"explain query plan {sql}").all()
    db.engine.dispose()
    assert [row[3] for row in plan] == ["SEARCH opt_outs USING PRIMARY KEY (customer=? AND channel=? AND recipient=?)"]


# --- how fast a change is seen


async def test_the_snapshot_is_loaded_once_for_all_who_wait(world: World) -> None:
    world.db.reads, world.db.slow_s = 0, 0.02
    found = await asyncio.gather(*(world.other.directory() for _ in range(50)))
    assert world.db.reads == 1
    assert len({id(d) for d in found}) == 1


async def test_within_half_a_second_nothing_is_read(world: World) -> None:
    await world.other.directory()
    world.db.reads = 0
    world.passes(RECHECK_S - 0.01)
    await world.other.directory()
    assert world.db.reads == 0


async def test_an_unchanged_registry_costs_one_row_each_half_second(world: World) -> None:
    first = await world.other.directory()
    seen: list[str] = []
    event.listen(world.db.asked, "before_cursor_execute", lambda _c, _u, sql, *_: seen.append(sql))
    world.passes(RECHECK_S)
    assert await world.other.directory() is first
    assert len(seen) == 1
    assert "registry_version" in seen[0]


async def test_another_process_sees_a_change_by_the_counter(world: World) -> None:
    await world.other.directory()
    await world.registry.stop_key("acme", "acmeAuth")
    world.passes(RECHECK_S)
    key = (await world.other.directory()).service_key("acmeAuth")
    assert key is not None
    assert not key.active


async def test_a_change_is_seen_in_5_s_even_when_the_counter_was_not_raised(world: World) -> None:
    await world.other.directory()
    with world.db.engine.begin() as conn:
        conn.execute(text("update service_keys set active = 0"))  # by hand, on the database's own console
    for _ in range(9):
        world.passes(RECHECK_S)
        key = (await world.other.directory()).service_key("acmeAuth")
        assert key is not None
        assert key.active
    world.passes(KEPT_S - 9 * RECHECK_S)
    key = (await world.other.directory()).service_key("acmeAuth")
    assert key is not None
    assert not key.active


async def test_a_database_that_is_away_is_survived_for_5_s_and_no_longer(world: World) -> None:
    first = await world.other.directory()
    world.db.away = True
    world.passes(KEPT_S - 0.1)
    assert await world.other.directory() is first
    world.passes(0.1)
    with pytest.raises(Unavailable):
        await world.other.directory()
    world.db.away = False
    assert await world.other.directory() is not first


async def test_a_snapshot_is_read_again_before_its_time_is_over_and_nobody_waits_for_it(world: World) -> None:
    await world.register(customer("acme"))
    first = await world.registry.directory()
    for _ in range(9):
        world.passes(RECHECK_S - 0.01)
        assert await world.registry.directory() is first
    world.db.slow_s = 0.05
    assert await world.registry.directory() is first, "who had waited would have been given the new one"
    for _ in range(200):
        await asyncio.sleep(0.01)
        if await world.registry.directory() is not first:
            return
    raise AssertionError("it was not read again")


async def test_a_caller_who_gives_up_does_not_take_the_load_from_the_others(world: World) -> None:
    world.db.slow_s = 0.02
    hasty, patient = asyncio.create_task(world.other.directory()), asyncio.create_task(world.other.directory())
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).customer("acme") is not None


async def test_the_writer_sees_its_own_change_at_once(world: World) -> None:
    await world.registry.directory()
    issued = await world.registry.issue_key("acme", Lane.AD, daily_cap=5)
    assert (await world.registry.directory()).service_key(issued.key) == issued


# --- secrets


async def test_a_rotated_secret_lives_on_for_the_overlap(world: World) -> None:
    username, secret = await world.registry.rotate_secret("acme", overlap_s=3600)
    assert username == "acme-api"

    async def live() -> tuple[bytes, ...]:
        found = (await world.other.directory()).customer("acme")
        assert found is not None
        return found.credentials["acme-api"]

    assert await live() == (digest(secret), digest("the-secret-of-acme"))
    world.passes(3599)
    assert len(await live()) == 2
    world.passes(KEPT_S)  # it expired meanwhile; nobody wrote, so the snapshot's own age ends it
    assert await live() == (digest(secret),)


async def test_rotating_without_overlap_ends_the_old_secret_now(world: World) -> None:
    _, secret = await world.registry.rotate_secret("acme", "acme-api", overlap_s=0)
    found = (await world.registry.directory()).customer("acme")
    assert found is not None
    assert found.credentials == {"acme-api": (digest(secret),)}


async def test_a_second_rotation_does_not_prolong_the_first_overlap(world: World) -> None:
    await world.registry.rotate_secret("acme", overlap_s=100)
    world.passes(60)
    await world.registry.rotate_secret("acme", overlap_s=100)
    world.passes(41)
    found = (await world.registry.directory()).customer("acme")
    assert found is not None
    assert digest("the-secret-of-acme") not in found.credentials["acme-api"]
    assert len(found.credentials["acme-api"]) == 2


async def test_which_user_must_be_said_when_there_are_several(world: World) -> None:
    await world.register(customer("acme") | {"username": "acme-2", "secret": "another-secret-of-acme"})
    with pytest.raises(Rejected, match="name one"):
        await world.registry.rotate_secret("acme")
    with pytest.raises(Rejected, match="no such user"):
        await world.registry.rotate_secret("acme", "bolt-api")
    assert (await world.registry.rotate_secret("acme", "acme-2"))[0] == "acme-2"


async def test_callback_secrets_overlap_newest_first_and_at_most_two(world: World) -> None:
    async def live() -> tuple[str, ...]:
        found = (await world.registry.directory()).customer("acme")
        assert found is not None
        return found.callback_secrets

    (old,) = await live()
    new = await world.registry.rotate_callback_secret("acme", overlap_s=3600)
    assert await live() == (new, old)
    world.passes(1)
    newer = await world.registry.rotate_callback_secret("acme", overlap_s=3600)
    assert await live() == (newer, new)
    world.passes(3600)
    assert await live() == (newer,)


async def test_a_keyring_that_lost_a_key_is_named(world: World) -> None:
    world.ring = Keyring.generate()
    with pytest.raises(Misconfigured, match="IMS_KEYS"):
        await world.process().directory()


# --- emergency stops


@pytest.mark.parametrize(
    ("kind", "value", "owner", "stopped"),
    [
        ("customer", "acme", "", {"acme"}),
        ("template", "WELCOME_01", "", {"acme", "bolt"}),
        ("template", "WELCOME_01", "bolt", {"bolt"}),
        ("sender", "15441234", "", {"acme", "bolt"}),
        ("campaign", "C-1", "acme", {"acme"}),
        ("campaign", "C-2", "acme", set()),
    ],
)
async def test_stop_and_lift(world: World, kind: str, value: str, owner: str, stopped: set[str]) -> None:
    async def covered() -> set[str]:
        world.passes(RECHECK_S)
        directory = await world.other.directory()
        return {c for c in ("acme", "bolt") if directory.stopped(customer=c, template="WELCOME_01", sender="15441234", campaign="C-1")}

    assert await covered() == set()
    await world.registry.put_stop(kind, value, owner)
    assert await covered() == stopped
    (listed,) = await world.registry.list_stops()
    assert (listed.kind, listed.value, listed.customer) == (kind, value, owner)
    assert await world.registry.lift_stop(kind, value, owner)
    assert await covered() == set()
    assert not await world.registry.lift_stop(kind, value, owner)


async def test_an_unknown_kind_of_stop_is_refused(world: World) -> None:
    with pytest.raises(Rejected):
        await world.registry.put_stop("everything", "x")
    with pytest.raises(Rejected):
        await world.registry.put_stop("template", "x" * 61)


async def test_a_bad_key_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="CIDR"):
        await world.registry.issue_key("acme", Lane.AUTH, allowed_ips=["10.0.0.0/40"])
    with pytest.raises(Rejected, match="rate_per_s"):
        await world.registry.issue_key("acme", Lane.AUTH, rate_per_s=-1)
