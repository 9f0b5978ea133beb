"""Real servers of one test module, an installation of IMS on them, and the books that are kept about it.

Two installations, one at a time, on the same home, databases and topics: what `ims up` starts (`Together`), and every function,
worker and dispatcher as a process of its own (`apart.Apart`).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql
from apart import Apart
from books import LANES, REST_S, Books
from callbacks import CallbackServer
from harness import Customer, Home, eventually
from kafka import KafkaAdminClient

from infra.fixtures import Own, Shared

# Deadlines of a test: short enough to be met in it, long enough for two cores that others use too.
SETTINGS: dict[str, object] = {
    "profile": "production",
    "provider_timeout_s": 2,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.2,
    "callback_timeout_s": 2,
    "poll_idle_s": 0.1,
    "simulator_magic_scale": 0.1,
    "simulator_latency_ms": 30,  # so that a death finds calls on their way
    "log_deadline_s": 3,
}


@dataclass(frozen=True, slots=True)
class Servers:
    """Ours to break, but for the store of files, which nothing here uses."""

    kafka: Own
    mariadb: Own
    redis: Own
    mongo: Own
    aws: Shared

    def settings(self) -> dict[str, str]:
        """Where they are, in the harness's words."""
        named: dict[str, str] = {}
        for own in (self.kafka, self.mariadb, self.redis, self.mongo):
            named |= own.service.settings()
        named |= self.aws.settings
        wanted = ("IMS_LOG", "IMS_RECORDS", "IMS_CACHE", "IMS_TRACES", "IMS_FILES")
        return {name.removeprefix("IMS_").lower(): named[name] for name in wanted}

    @contextlib.contextmanager
    def kafka_admin(self):  # type: ignore[no-untyped-def]
        """The cluster's own tool, as an operator has it."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.url.removeprefix("kafka://").split(","), request_timeout_ms=15_000)
        try:
            yield admin
        finally:
            admin.close()

    def leader_of(self, topic: str) -> str:
        """The node that leads the first partition of a topic."""
        with self.kafka_admin() as admin:
            [found] = admin.describe_topics([topic])
        return f"kafka-{found['partitions'][0]['leader_id']}"

    def topics(self, pattern: str) -> list[str]:
        with self.kafka_admin() as admin:
            return sorted(name for name in admin.list_topics() if re.search(pattern, name))

    def redis_say(self, node: str, *words: str) -> str:
        """What a node of Redis answers to a command."""
        cli = shutil.which("redis-cli") or "redis-cli"
        command = [cli, "-p", str(self.redis.port(node)), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout

    def redis_masters(self) -> dict[str, str]:
        """Each master's replica, by their names."""
        ports = {self.redis.port(node.name): node.name for node in self.redis.service.nodes}
        ids: dict[str, str] = {}
        replicas: dict[str, str] = {}
        for node in self.redis.service.nodes:
            with contextlib.suppress(subprocess.CalledProcessError):
                lines = [line.split() for line in self.redis_say(node.name, "cluster", "nodes").splitlines()]
                break
        for id_, address, flags, master, *_ in lines:
            name = ports[int(address.partition("@")[0].rpartition(":")[2])]
            if "fail" in flags:
                continue
            if "master" in flags:
                ids[id_] = name
            else:
                replicas[master] = name
        return {ids[id_]: replica for id_, replica in replicas.items() if id_ in ids}

    def query(self, database: str, statement: str) -> list[tuple[object, ...]]:
        """Rows of one of the databases of IMS (a lane, or the registry)."""
        parts = urlsplit(self.mariadb.url)
        connection = pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 0,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=f"{parts.path.strip('/')}_{database}",
            connect_timeout=5,
            read_timeout=30,
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@dataclass(slots=True)
class ServerBooks(Books):
    """The history is read from the records database."""

    servers: Servers = field(kw_only=True)

    def history_of(self, lane: str) -> list[tuple[str, str, int]]:
        return self.servers.query(lane, "SELECT message_id, result, number FROM history")  # type: ignore[return-value]

    def outbox(self) -> int:
        """Births that the log has not taken."""
        return sum(int(str(self.servers.query(lane, "SELECT COUNT(*) FROM outbox")[0][0])) for lane in LANES)


class World:
    """The installation that is up, the books of its rounds, and what they cost the log."""

    def __init__(self, folder: Path, servers: Servers, callbacks: CallbackServer) -> None:
        self.servers = servers
        self._callbacks = callbacks
        self._settings = SETTINGS | {"home": folder / "home"} | servers.settings()
        self._folder = folder
        self._home = Home(folder / "home", **{name: value for name, value in self._settings.items() if name != "home"})
        self._apart: Apart | None = None
        self._customer: Customer | None = None
        self._rounds: list[ServerBooks] = []

    def together(self) -> Home:
        """`ims up`."""
        self._end_apart()
        if self._home.process is None:
            self._home.start()
            self._know_customer()
        self._home.customers = [self._customer] if self._customer else []
        return self._home

    def apart(self) -> Apart:
        """Every function a process."""
        if self._apart is None:
            self.together()  # whatever was up makes databases, topics and the customer
            self._look_again()
            self._home.stop()
            made = Apart(self._folder, self._settings, customer=self._customer)
            made.__enter__()
            self._apart = made
        return self._apart

    def _know_customer(self) -> None:
        """Beside its own keys the demo customer has one with a daily cap: Redis counts for it."""
        if self._customer is None:
            [first] = self._home.customers[:1]
            key = self._home.ims("keys", "issue", "demo", "mass", "--daily-cap", "10000000")["key"]
            self._customer = Customer(
                first.name,
                first.x_ims_key,
                first.service_keys | {"capped": key},
                first.callback_secret,
                first.callback,
                first.sender_key,
                first.template_code,
            )

    def books(self, installation: Home | Apart) -> ServerBooks:
        made = ServerBooks(installation, self._callbacks, servers=self.servers)
        self._rounds.append(made)
        return made

    def traces_dropped(self) -> float:
        """As `ims up` counts; nothing is asked of the processes of `apart`."""
        return self._home.metric("ims_traces_dropped_total") if self._home.process else 0

    def at_work_again(self, books: ServerBooks) -> tuple[float, float]:
        """Seconds until a new single message is answered 0000, and until its result is told."""
        began = time.monotonic()
        answer = books.single("realtime", began + 120)  # an hour to be sent in
        assert answer.code == "0000", answer
        answered = time.monotonic()
        mine = answer.json()["data"]
        eventually(lambda: mine in books.told(), 400, "a result", every=0.05)
        return answered - began, time.monotonic() - began

    def dead_letters(self) -> int:
        """Events that a stage gave up, as the logs say."""
        return sum(path.read_text(errors="replace").count('"dead_letter"') for path in self._folder.glob("*.log"))

    def close(self) -> None:
        try:
            self._look_again()
        finally:
            self._end_apart()
            self._home.stop()

    def _look_again(self) -> None:
        """When leases are over and parked events came back, still nothing was sent twice."""
        if self._rounds:
            time.sleep(REST_S)
            for books in self._rounds:
                books.still_once()
            self._rounds.clear()

    def _end_apart(self) -> None:
        if self._apart is not None:
            self._look_again()
            made, self._apart = self._apart, None
            made.__exit__()
