"""Journal and acceptance on SQLite: a file per lane, state and log of a lane in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.traces import metadata as trace_metadata
from ims.adapters.sql import acceptance, changes
from ims.adapters.sql.bring_up import bring_up
from ims.adapters.sql.lane_store import Exists, LaneStore, birth_of
from ims.adapters.sql.lane_tables import metadata
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.ports.records import Birth, Change, Existing, Reservation
from ims.protocol.envelope import Envelopes, Record


def create_lane(conn: Connection) -> None:
    """The tables of a lane file."""
    bring_up(conn, metadata)
    bring_up(conn, trace_metadata)


class EmbeddedStore(LaneStore):
    """All lane files of one home, opened at first use. Several processes may each have one."""

    def __init__(self, home: Path, envelopes: Envelopes, clock: Clock, bells: Bells, *, apart: bool = False) -> None:
        """`apart`: no read runs on the loop, however few its rows are, since they may be old and on a slow disk."""
        self.bells = bells
        self.files = {lane: LaneFile(home / f"{lane}.db", create_lane, apart=apart) for lane in Lane}
        super().__init__(self.files, envelopes, clock)

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

    # --- Acceptance

    async def accept(self, kind: Lane, reservations: Sequence[Reservation], births: Sequence[Birth]) -> list[Existing]:
        """See ims.ports.records.Acceptance. One synced commit when the lane is the kind's own, else three writes."""
        at = self._clock()
        own = [b for b in births if b.lane == kind]
        other = [b for b in births if b.lane != kind]
        mine = {b.id for b in own}
        texts = [changes.attributes_text(b.record) for b in births]

        await self.ensure_slices(kind, acceptance.days_of(at))

        def job(conn: Connection) -> None:
            for accepted in (True, False):
                part = [r for r in reservations if (r.birth in mine) is accepted]
                if part and (found := acceptance.reserve(conn, part, at, accepted=accepted)):
                    raise Exists(found)
            if len(acceptance.store_births(conn, births, texts)) < len(births):
                raise Unavailable("an id was drawn twice")  # undone as a whole: the client repeats, under new ids
            acceptance.count_accepted(conn, [(b, b.rows) for b in own])
            changes.append_records(conn, [b.record for b in own], at, births=True)

        try:
            await self.files[kind].write(job, durable=True)
        except Exists as exc:
            return exc.found
        self._ring(kind, [b.record for b in own])
        if other:
            await self._append_elsewhere(other)
            keys = [(b, [r.key for r in reservations if r.birth == b.id]) for b in other]
            await self.files[kind].write(lambda conn: acceptance.approve(conn, keys, acceptance.written_days(at)))
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
        """See ims.ports.records.Acceptance. What another request committed a moment ago is read before it is synced, and told after."""
        found = await super().find(kind, keys)
        if found:
            await self.files[kind].write(lambda _conn: None, durable=True)
        return found

    async def complete(self, kind: Lane, birth: str) -> None:
        """See ims.ports.records.Acceptance."""
        raw = await self.files[kind].read(lambda conn: changes.read_payloads(conn, [birth]))
        whole, keys = birth_of(self._envelopes, *raw[birth])
        await self._append_elsewhere([whole])
        await self.files[kind].write(lambda conn: acceptance.approve(conn, [(whole, keys)], acceptance.days_of(whole.received_at)))

    # --- for the neighbours in this package

    def _ring(self, lane: Lane, records: Sequence[Record]) -> None:
        if records:
            self.ring(lane, {r.topic for r in records})

    def ring(self, lane: Lane, topics: set[str]) -> None:
        """Something new lies in these topics of the lane."""
        self.bells.ring(lane, topics)

    def close(self) -> None:
        """Finish what is queued."""
        for file in self.files.values():
            file.close()
        self.bells.close()
