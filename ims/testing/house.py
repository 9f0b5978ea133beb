"""A whole home in one process, for tests: real stages over a real embedded store, a scripted provider, a clock to turn.

Events reach the stages through functions-framework's own applications, as in `ims up`; `pump` delivers until nothing
moves. Delivery can be made worse than KafkaSource ever is: everything twice, shuffled.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from ims import topics
from ims.adapters.embedded.backup import restored_until
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.folder import FolderFiles
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.shared import EmbeddedShared
from ims.adapters.embedded.shared import metadata as shared_metadata
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.traces import AGING, EmbeddedTraces
from ims.adapters.sql.campaigns import SqlProgresses
from ims.adapters.sql.changes import append_records
from ims.adapters.sql.histories import SqlHistories
from ims.adapters.sql.queries import SqlDue, SqlResults
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.registry_tables import create as create_registry
from ims.adapters.sql.retention import SqlRetention
from ims.adapters.sql.split_store import SplitStore
from ims.adapters.sql.uploads import SqlUploads
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.log import Delivery
from ims.ports.records import Change
from ims.protocol.envelope import Envelopes, Record
from ims.protocol.ids import Tracker
from ims.protocol.sealing import Keyring, Sealer
from ims.rules.registration import parse_registration
from ims.runtime.attachments import Attached
from ims.runtime.context import Context, Timing, install
from ims.runtime.pools import Pool, Weighed
from ims.runtime.sinks import asgi_sink
from ims.runtime.source import Answer, Sink
from ims.serve.app import framework_app
from ims.testing.provider import ScriptedProvider
from ims.topics import SENDERS, SendType

T = TypeVar("T")

NOON = 1_795_402_800_000  # 2026-11-23 12:00 in Seoul
FAMILIES = tuple(s.removeprefix("send_") for s in SENDERS)
DEADLINES = dict.fromkeys((str(t) for t in SendType), 60.0)


class Endpoint:
    """A customer's endpoint that remembers what it was told."""

    def __init__(self) -> None:
        self.status = 200
        self.calls: list[tuple[str, bytes, dict[str, str]]] = []

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.calls.append((url, body, dict(headers)))
        return self.status

    async def check(self, url: str) -> bool:
        return url.startswith("http")


class Died(BaseException):
    """The process ended at this line; nobody catches it, as nobody catches kill -9."""


class _Death:
    """The process dies at its n-th step, right before or right after it."""

    def __init__(self) -> None:
        self.steps = 0
        self.before: int | None = None
        self.after: int | None = None

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        self.steps += 1
        now = self.steps
        if now == self.before:
            raise Died
        yield
        if now == self.after:
            raise Died


class _MortalStore(EmbeddedStore):
    """State and log in one: a commit is one step."""

    death: _Death

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        async with self.death.step():
            await super().commit(lane, change, records, durable=durable)


class _MortalDatabase:
    """State alone: each transaction is one step."""

    def __init__(self, file: LaneFile, death: _Death) -> None:
        self._file = file
        self._death = death

    async def read(self, job: Callable[[Connection], T], *, few: bool = False) -> T:
        return await self._file.read(job, few=few)

    async def write(self, job: Callable[[Connection], T], *, durable: bool = False, single: bool = False) -> T:
        async with self._death.step():
            return await self._file.write(job, durable=durable)


class _MortalLog:
    """A log beside the state (ims.ports.log.Appender), in the same files but in transactions of its own. `away`: it takes nothing."""

    def __init__(self, files: Mapping[Lane, LaneFile], death: _Death) -> None:
        self._files = files
        self._death = death
        self.away = False

    async def append(self, records: Sequence[Record]) -> None:
        if self.away:
            raise Unavailable("the log is away")
        async with self._death.step():
            for lane in dict.fromkeys(r.attributes["imslane"] for r in records):
                part = [r for r in records if r.attributes["imslane"] == lane]
                await self._files[Lane(lane)].write(lambda conn, part=part: append_records(conn, part, 0))  # type: ignore[misc]

    async def close(self) -> None:
        """Nothing is on its way."""


class House:
    """Open with `await House.open(path)`, end with `close`. `reopen` is what a restart after kill -9 is."""

    def __init__(
        self, home: Path, provider: ScriptedProvider, ring: Keyring, *, split: bool = False, others: Sequence[Weighed] = ()
    ) -> None:
        self.home = home
        self.split = split
        self.death = _Death()
        self.provider = provider
        self.others = others  # beside it in every pool
        self.ring = ring
        self.now = NOON
        self.endpoint = Endpoint()
        self.statuses: list[tuple[str, int]] = []  # (stage, status) of every delivery
        self._sinks: dict[str, Sink] = {}
        self._build()

    @classmethod
    async def open(
        cls, home: Path, provider: ScriptedProvider | None = None, *, split: bool = False, others: Sequence[Weighed] = ()
    ) -> House:
        """`split`: state and log are two systems, as in production, and the process can die between them."""
        house = cls(home, provider or ScriptedProvider(), Keyring.generate(), split=split, others=others)
        keys = [{"key": f"key{kind}", "kind": kind} for kind in Lane]
        customer = {
            "name": "acme",
            "username": "acme",
            "secret": "0123456789abcdef",
            "endpoint": "https://acme.example/results",
            "service_keys": keys,
            "sender_numbers": ["15441234"],
            "sender_profiles": ["p" * 40],
            "rcs_brands": [{"brand_key": "BR.acme", "chatbots": ["15441234"]}],
            "templates": [{"code": "T1", "channel": "at"}],
        }
        await house.registry.register(parse_registration(_json({"customers": [customer]})))
        return house

    def _build(self) -> None:
        sealer = Sealer(self.ring)
        envelopes = Envelopes(sealer, "house")
        clock = lambda: self.now  # noqa: E731 - the test turns it
        embedded = _MortalStore(self.home, envelopes, clock, Bells(self.home))
        embedded.death = self.death
        self._embedded = embedded
        self.log = _MortalLog(embedded.files, self.death)
        databases = {lane: _MortalDatabase(file, self.death) for lane, file in embedded.files.items()}
        self.store: EmbeddedStore | SplitStore = SplitStore(databases, self.log, envelopes, clock) if self.split else embedded
        self._registry_file = LaneFile(self.home / "registry.db", create_registry)
        self._shared_file = LaneFile(self.home / "shared.db", shared_metadata.create_all)
        self.registry = SqlRegistry(self._registry_file, sealer, now_ms=clock, monotonic=lambda: self.now / 1000)
        pool = [Weighed(self.provider), *self.others]
        providers: dict[tuple[str, str], Pool] = {(f, a): pool for f in FAMILIES for a in ("fast", "bulk")}
        self.ctx = Context(
            name=f"house-{random.randrange(10**9)}",  # noqa: S311 - a name
            clock=clock,
            journal=self.store,
            acceptance=self.store,
            due=SqlDue(self.store.lanes),
            retention=SqlRetention(self.store, AGING),
            results=SqlResults(self.store.lanes),
            progresses=SqlProgresses(self.store.lanes),
            histories=SqlHistories(self.store.lanes),
            registry=self.registry,
            shared=EmbeddedShared(self._shared_file, clock),
            traces=EmbeddedTraces(embedded.files),
            envelopes=envelopes,
            sealer=sealer,
            tracker=Tracker(self.ring.tag),
            timing=Timing(report_deadline_s=DEADLINES, callback_retry_unit_s=1.0, park_s=1.0, provider_tries=1),
            providers=providers,
            caller=self.endpoint,
            attached=Attached(FolderFiles(self.home / "files"), SqlUploads(self._registry_file), sealer, clock),
            restored_until=restored_until(self.home),
            outbox=self.store if isinstance(self.store, SplitStore) else None,
        )
        install(self.ctx)
        self._subscriptions: dict[tuple[str, Lane], EmbeddedSubscription] = {}
        self._again: list[tuple[str, EmbeddedSubscription, Delivery]] = []

    def sink(self, stage: str) -> Sink:
        """The stage's application."""
        if stage not in self._sinks:
            self._sinks[stage] = asgi_sink(framework_app(stage))
        return self._sinks[stage]

    def subscription(self, stage: str, lane: Lane) -> EmbeddedSubscription:
        key = (stage, lane)
        if key not in self._subscriptions:
            self._subscriptions[key] = EmbeddedSubscription(self._embedded, lane, stage, topics.consumed_by(stage, lane))
        return self._subscriptions[key]

    async def pump(
        self,
        *,
        stages: Sequence[str] = topics.STAGES,
        lanes: Sequence[Lane] = tuple(Lane),
        twice: bool = False,
        shuffle: random.Random | None = None,
        rounds: int = 60,
    ) -> None:
        """Deliver until nothing moves. An event that is answered with a fault comes again at the next pump."""
        again, self._again = self._again, []
        for _ in range(rounds):
            batch, again = again, []
            for stage in stages:
                for lane in lanes:
                    if topics.consumed_by(stage, lane):
                        subscription = self.subscription(stage, lane)
                        subscription.heard(set(topics.consumed_by(stage, lane)))
                        batch += [(stage, subscription, d) for d in await subscription.fetch(1000)]
            if not batch:
                return
            if shuffle:
                shuffle.shuffle(batch)
            for stage, subscription, delivery in batch:
                for _again in range(2 if twice else 1):
                    answer = await self.deliver(stage, delivery.attributes, delivery.data)
                if answer.status == 200:
                    subscription.finish(delivery)
                else:
                    self._again.append((stage, subscription, delivery))
        raise AssertionError("the house does not come to rest")

    async def deliver(self, stage: str, attributes: Mapping[str, str], data: bytes) -> Answer:
        """One event to one stage."""
        headers = {f"ce-{k}": v for k, v in attributes.items() if k != "datacontenttype"}
        headers["content-type"] = "application/octet-stream"
        answer = await self.sink(stage)(headers, data)
        self.statuses.append((stage, answer.status))
        return answer

    def die(self, *, before: int | None = None, after: int | None = None) -> None:
        """Die at a step (a commit, an append), counted from now on; no arguments: live."""
        self.death.steps = 0
        self.death.before, self.death.after = before, after

    @property
    def steps(self) -> int:
        """Commits and appends since the last `die`."""
        return self.death.steps

    async def reopen(self) -> None:
        """A new process on the same files: nothing in memory survives."""
        self._embedded.close()
        self._registry_file.close()
        self._shared_file.close()
        self._build()

    async def keep_positions(self) -> None:
        """What every group has finished does not come again."""
        for subscription in self._subscriptions.values():
            await subscription.commit()

    async def forget_positions(self) -> None:
        """Every consumer group begins again from the beginning of the log."""
        for lane in Lane:
            await self._embedded.files[lane].write(lambda conn: conn.exec_driver_sql("DELETE FROM cursors"))
        self._subscriptions.clear()
        self._again.clear()

    async def rows(self, lane: Lane, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A look into a lane's file."""

        def job(conn: Connection) -> list[tuple[Any, ...]]:
            return [tuple(r) for r in conn.exec_driver_sql(sql, values)]

        return await self._embedded.files[lane].read(job)

    async def close(self) -> None:
        self._embedded.close()
        self._registry_file.close()
        self._shared_file.close()


def _json(value: object) -> str:
    import json

    return json.dumps(value)


