"""Journal and acceptance on SQLite: a file per lane, state and log of a lane in one transaction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from ims import topics
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import Job, LaneFile
from ims.adapters.embedded.traces import metadata as trace_metadata
from ims.adapters.sql import acceptance, changes
from ims.adapters.sql.lane_tables import metadata
from ims.errors import ImsError
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.ports.dispatch import Dispatch
from ims.ports.records import Birth, Change, Existing, Reservation
from ims.protocol.envelope import Envelopes, Record
from ims.protocol.events import MessageAccepted

T = TypeVar("T")
_PAYLOAD_CACHE = 64  # opened birth events kept per lane: reports of one batch come close together


class _Exists(ImsError):
    """Carries what stood in the way out of the transaction, so that it is undone."""

    def __init__(self, found: list[Existing]) -> None:
        super().__init__("exists")
        self.found = found


def create_lane(conn: Connection) -> None:
    """The tables of a lane file."""
    metadata.create_all(conn)
    trace_metadata.create_all(conn)


class EmbeddedStore:
    """All lane files of one home, opened at first use. Several processes may each have one."""

    def __init__(self, home: Path, envelopes: Envelopes, clock: Clock, bells: Bells) -> None:
        self._clock = clock
        self._envelopes = envelopes
        self.bells = bells
        self.slices = {lane: acceptance.Slices() for lane in Lane}
        self.files = {lane: LaneFile(home / f"{lane}.db", create_lane) for lane in Lane}
        self._opened: dict[Lane, OrderedDict[str, MessageAccepted]] = {lane: OrderedDict() for lane in Lane}

    # --- Journal

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        """See ims.ports.records.Journal."""
        at = self._clock()

        def job(conn: Connection) -> None:
            changes.apply(conn, change, at)
            if records:
                changes.append_records(conn, records, at)

        await self.files[lane].write(job, durable=durable)
        for dispatch in change.dispatches:
            dispatch.version += 1
        self._ring(lane, records)

    async def dispatches(self, lane: Lane, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Dispatch]:
        return await self.files[lane].read(lambda conn: changes.read_dispatches(conn, keys))

    async def payloads(self, lane: Lane, births: Sequence[str]) -> dict[str, MessageAccepted]:
        cache = self._opened[lane]
        found: dict[str, MessageAccepted] = {}
        missing = []
        for birth in births:
            known = cache.get(birth)
            if known is None:
                missing.append(birth)
            else:
                cache.move_to_end(birth)
                found[birth] = known
        if missing:
            raw = await self.files[lane].read(lambda conn: changes.read_payloads(conn, missing))
            for birth, (attributes, data) in raw.items():
                opened = self._envelopes.open(attributes, data).data
                if isinstance(opened, MessageAccepted):
                    found[birth] = cache[birth] = opened
            while len(cache) > _PAYLOAD_CACHE:
                cache.popitem(last=False)
        return found

    # --- Acceptance

    async def accept(self, kind: Lane, reservations: Sequence[Reservation], births: Sequence[Birth]) -> list[Existing]:
        """See ims.ports.records.Acceptance. One synced commit when the lane is the kind's own, else three writes."""
        at = self._clock()
        own = [b for b in births if b.lane == kind]
        other = [b for b in births if b.lane != kind]
        mine = {b.id for b in own}
        texts = [changes.attributes_text(b.record) for b in births]

        await self._ensure(kind, acceptance.days_of(at))

        def job(conn: Connection) -> None:
            for accepted in (True, False):
                part = [r for r in reservations if (r.birth in mine) is accepted]
                if part and (found := acceptance.reserve(conn, part, at, accepted=accepted)):
                    raise _Exists(found)
            acceptance.store_births(conn, births, texts)
            acceptance.count_accepted(conn, births)
            changes.append_records(conn, [b.record for b in own], at, births=True)

        try:
            await self.files[kind].write(job, durable=True)
        except _Exists as exc:
            return exc.found
        self._ring(kind, [b.record for b in own])
        if other:
            await self._append_elsewhere(other)
            keys = [(r.key, r.birth) for r in reservations if r.birth not in mine]
            await self.files[kind].write(lambda conn: acceptance.approve(conn, keys, at))
        return []

    async def _append_elsewhere(self, births: Sequence[Birth]) -> None:
        """Payload and event into the births' own lanes; an event that is there already is not appended again."""
        for lane in dict.fromkeys(b.lane for b in births):
            part = [b for b in births if b.lane == lane]
            texts = [changes.attributes_text(b.record) for b in part]
            at = self._clock()

            def job(conn: Connection, part: list[Birth] = part, texts: list[str] = texts, at: int = at) -> None:
                fresh = acceptance.store_births(conn, part, texts)
                changes.append_records(conn, [b.record for b in fresh], at, births=True)

            await self.files[lane].write(job, durable=True)
            self._ring(lane, [b.record for b in part])

    async def find(self, kind: Lane, keys: Sequence[bytes]) -> dict[bytes, Existing]:
        at = self._clock()
        await self._ensure(kind, acceptance.days_of(at))
        return await self.files[kind].read(lambda conn: acceptance.find(conn, keys, at))

    async def find_ever(self, kind: Lane, key: bytes) -> Existing | None:
        """The newest acceptance of a key in any kept slice: how a message is found by its message_id."""
        slices = self.slices[kind]
        return await self.files[kind].read(lambda conn: acceptance.find_ever(conn, key, slices.existing(conn)))

    async def complete(self, kind: Lane, birth: str) -> None:
        """See ims.ports.records.Acceptance."""
        raw = await self.files[kind].read(lambda conn: changes.read_payloads(conn, [birth]))
        attributes, data = raw[birth]
        event = self._envelopes.open(attributes, data)
        message = event.data
        if not isinstance(message, MessageAccepted):
            raise TypeError(f"payload {birth} is a {event.type}")
        record = Record(topics.recv(message.shared.channel, event.lane), attributes, data)
        whole = Birth(birth, event.lane, message.shared.service_key, message.shared.channel, len(message.rows), message.received_at, record)
        await self._append_elsewhere([whole])
        await self.files[kind].write(lambda conn: acceptance.approve_birth(conn, birth, message.received_at))

    # --- for the neighbours in this package

    async def _ensure(self, lane: Lane, days: Sequence[int]) -> None:
        slices = self.slices[lane]
        if missing := slices.missing(days):
            await self.files[lane].write(lambda conn: slices.create(conn, missing))
            slices.know(missing)

    def _ring(self, lane: Lane, records: Sequence[Record]) -> None:
        if records:
            self.bells.ring(lane, {r.topic for r in records})

    async def read(self, lane: Lane, job: Job) -> object:
        return await self.files[lane].read(job)

    async def write(self, lane: Lane, job: Job, *, durable: bool = False) -> object:
        return await self.files[lane].write(job, durable=durable)

    def ring(self, lane: Lane, topics: set[str]) -> None:
        self.bells.ring(lane, topics)

    def close(self) -> None:
        """Finish what is queued."""
        for file in self.files.values():
            file.close()
        self.bells.close()
