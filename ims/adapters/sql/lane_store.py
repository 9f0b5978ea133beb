"""What every store of lanes has in common: reading state, and looking up acceptances. A lane is a database of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from ims import topics
from ims.adapters.sql import acceptance, changes
from ims.adapters.sql.database import Database
from ims.errors import ImsError
from ims.lanes import Lane
from ims.ports.clock import Clock
from ims.ports.dispatch import Dispatch
from ims.ports.records import Birth, Existing
from ims.protocol.envelope import Envelopes, Record
from ims.protocol.events import MessageAccepted
from ims.protocol.ids import acceptance_key

_PAYLOAD_CACHE = 64  # opened birth events kept per lane: reports of one batch come close together


class Exists(ImsError):
    """Carries what stood in the way of an acceptance out of the transaction, so that it is undone."""

    def __init__(self, found: list[Existing]) -> None:
        super().__init__("exists")
        self.found = found


class LaneStore:
    """The reading half of ims.ports.records.Journal and Acceptance. Several processes may each have one."""

    def __init__(self, lanes: Mapping[Lane, Database], envelopes: Envelopes, clock: Clock) -> None:
        self.lanes = lanes
        self.slices = {lane: acceptance.Slices() for lane in Lane}
        self._envelopes = envelopes
        self._clock = clock
        self._opened: dict[Lane, OrderedDict[str, MessageAccepted]] = {lane: OrderedDict() for lane in Lane}

    async def dispatches(self, lane: Lane, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Dispatch]:
        return await self.lanes[lane].read(lambda conn: changes.read_dispatches(conn, keys), few=True)

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
            raw = await self.lanes[lane].read(lambda conn: changes.read_payloads(conn, missing), few=True)
            for birth, (attributes, data) in raw.items():
                opened = self._envelopes.open(attributes, data).data
                if isinstance(opened, MessageAccepted):
                    found[birth] = cache[birth] = opened
            while len(cache) > _PAYLOAD_CACHE:
                cache.popitem(last=False)
        return found

    async def find(self, kind: Lane, keys: Sequence[bytes]) -> dict[bytes, Existing]:
        at = self._clock()
        await self.ensure_slices(kind, acceptance.days_of(at))
        return await self.lanes[kind].read(lambda conn: acceptance.find(conn, keys, at))

    async def find_ever(self, kind: Lane, key: bytes) -> Existing | None:
        """The newest acceptance of a key in any kept slice: how a message is found by its message_id."""
        slices = self.slices[kind]
        found = await self.lanes[kind].read(lambda conn: acceptance.find_ever(conn, [key], slices.existing(conn)))
        return found.get(key)

    async def ensure_slices(self, lane: Lane, days: Sequence[int]) -> None:
        """Make the acceptance slices of these days where they are missing."""
        slices = self.slices[lane]
        if missing := slices.missing(days):
            await self.lanes[lane].write(lambda conn: slices.create(conn, missing))
            slices.know(missing)


def birth_of(envelopes: Envelopes, attributes: dict[str, str], data: bytes) -> tuple[Birth, list[bytes]]:
    """A birth event as it was stored, and the acceptance keys of its rows."""
    event = envelopes.open(attributes, data)
    message = event.data
    if not isinstance(message, MessageAccepted):
        raise TypeError(f"a payload row holds a {event.type}")
    shared = message.shared
    record = Record(topics.recv(shared.channel, event.lane), attributes, data)
    about = (message.birth, event.lane, shared.service_key, shared.channel, len(message.rows), message.received_at)
    birth = Birth(*about, record, shared.campaign_id)
    return birth, [acceptance_key(shared.service_key, row.message_id) for row in message.rows]
