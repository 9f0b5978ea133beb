"""Journal and acceptance where state and log are two systems: the state is committed first, then the log is appended to.

A process that dies between the two left a state that names its cause: the cause comes again and appends the same events
(design, "One message"). What gives a held event back to the log goes the other way round, and so does acceptance, whose
rows become accepted only when the log has their event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from ims.adapters.sql import acceptance, changes, outbox
from ims.adapters.sql.database import Database
from ims.adapters.sql.lane_store import Exists, LaneStore, birth_of
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.ports.log import Appender
from ims.ports.records import Birth, Change, Existing, Reservation
from ims.protocol.envelope import Envelopes, Record
from ims.protocol.ids import lane_of
from ims.telemetry import OUTBOX, log

RELAY_PAGE = 200  # birth events read and appended at once: at most about 10 MiB


class SplitStore(LaneStore):
    """A database per lane, and a log beside them."""

    def __init__(self, lanes: Mapping[Lane, Database], appender: Appender, envelopes: Envelopes, clock: Clock) -> None:
        super().__init__(lanes, envelopes, clock)
        self._log = appender

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None:
        """See ims.ports.records.Journal."""
        at = self._clock()
        if change.holds_state:
            single = changes.one_statement(change)
            await self.lanes[lane].write(lambda conn: changes.apply(conn, change, at), durable=durable, single=single)
            for dispatch in change.dispatches:
                dispatch.version += 1
        if records:
            await self._log.append(records)
        if change.released:  # a held event may be parked anew before this: only the rest that was taken ends
            await self.lanes[lane].write(lambda conn: changes.release(conn, change.released))

    async def accept(self, kind: Lane, reservations: Sequence[Reservation], births: Sequence[Birth]) -> list[Existing]:
        """See ims.ports.records.Acceptance. A birth's payload lies in the database of its own lane, whatever the kind."""
        at = self._clock()
        await self.ensure_slices(kind, acceptance.days_of(at))
        own = [b for b in births if b.lane == kind]
        await self._store(b for b in births if b.lane != kind)

        def job(conn: Connection) -> None:
            if found := acceptance.reserve(conn, reservations, at, accepted=False):
                raise Exists(found)
            _store_births(conn, own)

        try:
            await self.lanes[kind].write(job, durable=True)
        except Exists as exc:
            return exc.found
        keys: dict[str, list[bytes]] = {b.id: [] for b in births}
        for r in reservations:
            keys[r.birth].append(r.key)
        await self._append(births)
        written = acceptance.written_days(at)
        await self.lanes[kind].write(lambda conn: acceptance.approve(conn, [(b, keys[b.id]) for b in births], written))
        return []

    async def complete(self, kind: Lane, birth: str) -> None:
        """See ims.ports.records.Acceptance."""
        raw = await self.lanes[lane_of(birth)].read(lambda conn: changes.read_payloads(conn, [birth]))
        whole, keys = birth_of(self._envelopes, *raw[birth])
        await self._append([whole])
        await self.lanes[kind].write(lambda conn: acceptance.approve(conn, [(whole, keys)], acceptance.days_of(whole.received_at)))

    async def relay(self, lane: Lane) -> int:
        """See ims.ports.records.Outbox."""
        records = await self.lanes[lane].read(lambda conn: outbox.page(conn, RELAY_PAGE))
        if records:
            await self._log.append(records)
            await self.lanes[lane].write(lambda conn: outbox.gone(conn, [r.id for r in records]))
            OUTBOX.labels(lane, "relayed").inc(len(records))
        return len(records)

    async def _store(self, births: Iterable[Birth]) -> None:
        by_lane: dict[Lane, list[Birth]] = {}
        for birth in births:
            by_lane.setdefault(birth.lane, []).append(birth)
        for lane, part in by_lane.items():
            await self.lanes[lane].write(lambda conn, part=part: _store_births(conn, part), durable=True)  # type: ignore[misc]

    async def _append(self, births: Sequence[Birth]) -> None:
        """Into the log; where it is away, into the outbox of the births' lanes, from where they follow when it is back."""
        try:
            await self._log.append([b.record for b in births])
        except Unavailable as exc:
            log.warning("log_away", births=len(births), error=str(exc)[:80])
            at = self._clock()
            for lane in dict.fromkeys(b.lane for b in births):
                ids = [b.id for b in births if b.lane == lane]
                await self.lanes[lane].write(lambda conn, ids=ids: outbox.put(conn, ids, at), durable=True)  # type: ignore[misc]
                OUTBOX.labels(lane, "put").inc(len(ids))


def _store_births(conn: Connection, births: Sequence[Birth]) -> None:
    acceptance.store_births(conn, births, [changes.attributes_text(b.record) for b in births])
