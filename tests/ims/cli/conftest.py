"""A home with stages in this process, and messages in it, for commands that look into the store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from functions.intake.accept import Acceptor, Entry
from functions.intake.validate import AcceptedRow
from ims import topics
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import DeliveryReport, DeliveryReported, Shared
from ims.protocol.ids import acceptance_key, new_birth
from ims.runtime.stage import new_trace
from ims.testing.house import House
from ims.topics import Channel

NUMBER = "01055501234"
TEXT = "비밀 문구 #{name}"
VALUE = "김비밀"


class Street:
    """A house with short words for what happens to messages in it."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def accept(self, message_id: str, lane: Lane = Lane.REALTIME, *, kind: Lane | None = None, **shared: object) -> Entry:
        """One message as intake would have accepted it; its trace."""
        kind = kind or lane
        plain = Shared(
            service_key=f"key{kind}", customer="acme", lane=lane, channel=Channel.MT, message_type="SMS", text=TEXT, callback="15441234"
        )
        row = AcceptedRow(message_id, NUMBER, {"name": VALUE}, "BILL", None)
        digest = hashlib.blake2b(message_id.encode(), digest_size=8).digest()
        common = msgspec.structs.replace(plain, **shared)
        entry = Entry(common, row, lane, digest, 0, new_trace(), acceptance_key(f"key{kind}", message_id))
        acceptor = Acceptor(self.house.ctx)
        assert await acceptor._accept(kind, [entry]) == ["fresh"]
        return entry

    async def report(self, ref: str, status: str = "delivered", code: str = "0000", lane: Lane = Lane.REALTIME) -> None:
        """A delivery report of the provider."""
        id_ = new_birth(lane, self.house.now)
        reports = [DeliveryReport(ref=ref, status=status, code=code, reported_at=self.house.now)]
        emit = Emit(topics.report(lane), id_, DeliveryReported(provider="scripted", reports=reports), id_, lane)
        await self.house.store.commit(lane, Change(), [self.house.ctx.envelopes.seal(emit, new_trace(), self.house.now)])

    async def later(self, ms: int = 10) -> None:
        """Time passes, then everything that can move moves."""
        self.house.now += ms
        await self.house.pump()


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    house = await House.open(tmp_path)
    yield Street(house)
    await house.close()
