"""A whole home in one process, for tests: real stages over a real embedded store, a scripted provider, a clock to turn.

Events reach the stages through functions-framework's own applications, as in `ims up`; `pump` delivers until nothing
moves. Delivery can be made worse than KafkaSource ever is: everything twice, shuffled.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ims import topics
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.queries import EmbeddedDue, EmbeddedResults
from ims.adapters.embedded.shared import EmbeddedShared
from ims.adapters.embedded.shared import metadata as shared_metadata
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.traces import EmbeddedTraces
from ims.adapters.embedded.upkeep import EmbeddedRetention
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.registry_tables import create as create_registry
from ims.lanes import Lane
from ims.ports.log import Delivery
from ims.ports.providers import Provider
from ims.ports.records import Change
from ims.protocol.envelope import Envelopes, Record
from ims.protocol.ids import Tracker
from ims.protocol.sealing import Keyring, Sealer
from ims.rules.registration import parse_registration
from ims.runtime.context import Context, Timing, install
from ims.runtime.sinks import asgi_sink
from ims.runtime.source import Answer, Sink
from ims.serve.app import framework_app
from ims.testing.provider import ScriptedProvider

NOON = 1_795_402_800_000  # 2026-11-23 12:00 in Seoul
DEADLINES = {"SMS": 60.0, "LMS": 60.0, "AT": 60.0}


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


class _MortalStore(EmbeddedStore):
    """A store whose process dies at the n-th commit, right before or right after it."""

    commits = 0
    die_before: int | None = None
    die_after: int | None = None

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        type(self).commits += 1
        if self.commits == self.die_before:
            raise Died
        await super().commit(lane, change, records, durable=durable)
        if self.commits == self.die_after:
            raise Died


class House:
    """Open with `await House.open(path)`, end with `close`. `reopen` is what a restart after kill -9 is."""

    def __init__(self, home: Path, provider: ScriptedProvider, ring: Keyring) -> None:
        self.home = home
        self.provider = provider
        self.ring = ring
        self.now = NOON
        self.endpoint = Endpoint()
        self.statuses: list[tuple[str, int]] = []  # (stage, status) of every delivery
        self._sinks: dict[str, Sink] = {}
        self._build()

    @classmethod
    async def open(cls, home: Path, provider: ScriptedProvider | None = None) -> House:
        house = cls(home, provider or ScriptedProvider(), Keyring.generate())
        keys = [{"key": f"key{kind}", "kind": kind} for kind in Lane]
        customer = {
            "name": "acme",
            "username": "acme",
            "secret": "0123456789abcdef",
            "endpoint": "https://acme.example/results",
            "service_keys": keys,
            "sender_numbers": ["15441234"],
            "sender_profiles": ["p" * 40],
            "templates": [{"code": "T1", "channel": "at"}],
        }
        await house.registry.register(parse_registration(_json({"customers": [customer]})))
        return house

    def _build(self) -> None:
        sealer = Sealer(self.ring)
        envelopes = Envelopes(sealer, "house")
        clock = lambda: self.now  # noqa: E731 - the test turns it
        self.store = _MortalStore(self.home, envelopes, clock, Bells(self.home))
        self._registry_file = LaneFile(self.home / "registry.db", create_registry)
        self._shared_file = LaneFile(self.home / "shared.db", shared_metadata.create_all)
        self.registry = SqlRegistry(self._registry_file, sealer, now_ms=clock, monotonic=lambda: self.now / 1000)
        providers: dict[tuple[str, str], Provider] = {(f, a): self.provider for f in ("mt", "kakao") for a in ("fast", "bulk")}
        self.ctx = Context(
            name=f"house-{random.randrange(10**9)}",  # noqa: S311 - a name
            clock=clock,
            journal=self.store,
            acceptance=self.store,
            due=EmbeddedDue(self.store),
            retention=EmbeddedRetention(self.store),
            results=EmbeddedResults(self.store),
            registry=self.registry,
            shared=EmbeddedShared(self._shared_file, clock),
            traces=EmbeddedTraces(self.store.files),
            envelopes=envelopes,
            sealer=sealer,
            tracker=Tracker(self.ring.tag),
            timing=Timing(report_deadline_s=DEADLINES, callback_retry_unit_s=1.0, park_s=1.0, provider_tries=1),
            providers=providers,
            caller=self.endpoint,
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
            self._subscriptions[key] = EmbeddedSubscription(self.store, lane, stage, topics.consumed_by(stage, lane))
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
        """Die at a commit, counted from now on; no arguments: live."""
        _MortalStore.commits = 0
        _MortalStore.die_before, _MortalStore.die_after = before, after

    @property
    def commits(self) -> int:
        """Commits since the last `die`."""
        return _MortalStore.commits

    async def reopen(self) -> None:
        """A new process on the same files: nothing in memory survives."""
        self.store.close()
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
            await self.store.files[lane].write(lambda conn: conn.exec_driver_sql("DELETE FROM cursors"))
        self._subscriptions.clear()
        self._again.clear()

    async def rows(self, lane: Lane, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A look into a lane's file."""

        def job(conn: Connection) -> list[tuple[Any, ...]]:
            return [tuple(r) for r in conn.exec_driver_sql(sql, values)]

        return await self.store.files[lane].read(job)

    async def close(self) -> None:
        self.store.close()
        self._registry_file.close()
        self._shared_file.close()


def _json(value: object) -> str:
    import json

    return json.dumps(value)


