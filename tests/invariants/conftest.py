"""Messages for a house, as intake would have accepted them."""

from __future__ import annotations

import hashlib
import itertools

import msgspec
import pytest

from functions.intake.accept import Acceptor, Entry
from functions.intake.validate import AcceptedRow
from ims import topics
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import DeliveryReport, DeliveryReported, Shared, Step
from ims.protocol.ids import acceptance_key, new_birth
from ims.runtime.pools import Weighed
from ims.runtime.stage import new_trace
from ims.testing.house import House
from ims.testing.provider import ScriptedProvider
from ims.topics import Channel

_numbers = itertools.count(1)
AD_TEXT = "(광고)하나가게 봄 할인\n무료수신거부 080-123-4567"


class Street:
    """A house and short words for what tests do with it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.acceptor = Acceptor(house.ctx)

    @property
    def provider(self) -> ScriptedProvider:
        return self.house.provider

    def entry(
        self,
        lane: Lane = Lane.REALTIME,
        *,
        message_id: str = "",
        digest: bytes = b"",
        text: str | None = None,
        mapping: dict[str, str] | None = None,
        **shared: object,
    ) -> Entry:
        n = next(_numbers)
        message_id = message_id or f"m{n}"
        kind = shared.pop("kind", lane)
        common = Shared(
            service_key=f"key{kind}",
            customer="acme",
            lane=lane,
            channel=Channel.MT,
            message_type="SMS",
            text=AD_TEXT if lane is Lane.AD else "안녕하세요",
            callback="15441234",
        )
        common = msgspec.structs.replace(common, **shared)
        row = AcceptedRow(message_id, f"0105550{n:04d}", mapping or {}, "", text)
        digest = digest or hashlib.blake2b(message_id.encode(), digest_size=8).digest()
        return Entry(common, row, lane, digest, 0, new_trace(), acceptance_key(f"key{kind}", message_id))

    async def accept(self, *entries: Entry, kind: Lane | None = None) -> list[object]:
        self.acceptor = Acceptor(self.house.ctx)
        return await self.acceptor._accept(kind or entries[0].lane, entries)

    async def send(self, n: int = 1, lane: Lane = Lane.REALTIME, **shared: object) -> list[Entry]:
        entries = [self.entry(lane, **shared) for _ in range(n)]
        assert await self.accept(*entries) == ["fresh"] * n
        return entries

    async def report(self, *reports: DeliveryReport, lane: Lane = Lane.REALTIME) -> None:
        id_ = new_birth(lane, self.house.now)
        emit = Emit(topics.report(lane), id_, DeliveryReported(provider="scripted", reports=list(reports)), id_, lane)
        record = self.house.ctx.envelopes.seal(emit, new_trace(), self.house.now)
        await self.house.store.commit(lane, Change(), [record])

    async def deliver_all(self, status: str = "delivered", code: str = "0000", lane: Lane = Lane.REALTIME) -> None:
        await self.report(*(self.about(ref, status, code) for ref in self.provider.refs), lane=lane)

    def about(self, ref: str, status: str = "delivered", code: str = "0000") -> DeliveryReport:
        return DeliveryReport(ref=ref, status=status, code=code, reported_at=self.house.now)

    async def results(self, lane: Lane = Lane.REALTIME) -> dict[str, tuple[str, str, int]]:
        rows = await self.house.rows(lane, "SELECT message_id, result, report_code, number FROM history")
        return {r[0]: (r[1], r[2], r[3]) for r in rows}

    async def told(self) -> list[dict[str, object]]:
        out: list[dict[str, object]] = []
        for _, body, _ in self.house.endpoint.calls:
            data = msgspec.json.decode(body)
            out += data if isinstance(data, list) else [data]
        return out


def step(**more: object) -> Step:
    return msgspec.structs.replace(Step(type="SMS", callback="15441234", text="대체 문자"), **more)


@pytest.fixture(params=["embedded", "split"])
def store(request) -> str:
    """The invariants hold where state and log are one transaction, and where the process can die between the two."""
    return request.param


@pytest.fixture
async def make_street(tmp_path, store):
    """Streets that end with the test."""
    streets: list[Street] = []

    async def make(provider: ScriptedProvider | None = None, *others: Weighed) -> Street:
        streets.append(Street(await House.open(tmp_path, provider, split=store == "split", others=others)))
        return streets[-1]

    yield make
    for street in streets:
        await street.house.close()


@pytest.fixture
async def street(make_street) -> Street:
    return await make_street()
