"""A provider and the server it talks to, scripted alike for every adapter. Loopback only."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest
from aiohttp import web

from ims.adapters.providers.bizgo.adapter import Bizgo
from ims.adapters.providers.bizgo.stub import API_KEY, Stub, report
from ims.adapters.providers.simulator.adapter import Simulator
from ims.adapters.providers.simulator.server import create_app
from ims.adapters.providers.simulator.settings import Settings
from ims.adapters.providers.simulator.signed import SIGNATURE, TIMESTAMP, signature
from ims.ports.attachments import Attachment, Given, Upload
from ims.ports.providers import Outgoing, OutgoingCall, Provider
from ims.topics import SendType

SECRET = "a secret for tests"
ORDINARY = [f"0102345{i:04d}" for i in range(1000)]


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """The application on a free loopback port."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Rig:
    """What a test may do to a provider's other side."""

    provider: Provider
    impostor: Provider  # the same with a wrong credential
    unlisted: list[str]
    timeout_s = 0.4
    types: Sequence[SendType] = tuple(SendType)

    def behave(self, call: OutgoingCall, behaviour: str) -> OutgoingCall:
        """Have the call meet a fault."""
        raise NotImplementedError

    def number(self, end: str) -> str:
        """A number that ends so: refused, dead, unlisted, twice."""
        raise NotImplementedError

    async def sent(self) -> list[str]:
        """Refs that went out, as often as they did."""
        raise NotImplementedError

    def signed(self, ref: str, secret: str = SECRET, at_ms: int | None = None, body: bytes | None = None) -> tuple[dict[str, str], bytes]:
        """A webhook request with one delivered report."""
        raise NotImplementedError


def call(key: str = "k1", numbers: list[str] | None = None, send_type: SendType = SendType.SMS, **more: Any) -> OutgoingCall:
    """A call to ordinary numbers; refs are m000, m001, ..."""
    to = ORDINARY[:3] if numbers is None else numbers
    members = [Outgoing(f"m{i:03d}", number, "안녕하세요 #{name}님", {"name": f"고객{i}"}) for i, number in enumerate(to)]
    more = {"fields": FIELDS.get(send_type, {}), "message_type": "TEXT" if send_type is SendType.BT else "", **more}
    return OutgoingCall(key, 3600, send_type, members, callback="0212345678", sender_key="S" * 40, template_code="T1", **more)


class SimulatorRig(Rig):
    _ENDS: ClassVar = {"refused": "01099990007", "dead": "01099993003", "unlisted": "01099990008"}
    _MAGIC: ClassVar = {"429": "0430", "500": "0501", "close_before": "0603", "close_after": "0602", "garbage": "0604", "hang": "0601"}

    def __init__(self, url: str) -> None:
        self.url = url
        self.unlisted = []
        common: dict[str, Any] = {"secret": SECRET, "timeout_s": self.timeout_s}
        self.provider = Simulator(url, "bulk", credential="key", on_unlisted=self.unlisted.append, **common)
        self.impostor = Simulator(url, "bulk", credential="wrong", **common)

    def behave(self, call: OutgoingCall, behaviour: str) -> OutgoingCall:
        first, *rest = call.members
        magic = Outgoing(first.ref, "0109999" + self._MAGIC[behaviour], first.text, first.mapping)
        return OutgoingCall(call.key, call.key_ttl_s, call.send_type, [magic, *rest], callback=call.callback)

    def number(self, end: str) -> str:
        return self._ENDS[end]

    async def sent(self) -> list[str]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/v1/sent") as response:
            return [entry["ref"] for entry in (await response.json())["sent"]]

    def signed(self, ref: str, secret: str = SECRET, at_ms: int | None = None, body: bytes | None = None) -> tuple[dict[str, str], bytes]:
        entry = {"ref": ref, "status": "delivered", "code": "0000", "reported_at": 1, "report_type": "SMS"}
        content = msgspec.json.encode([entry]) if body is None else body
        stamp = str(int(time.time() * 1000) if at_ms is None else at_ms)
        return {TIMESTAMP.title(): stamp, SIGNATURE.title(): signature(secret, stamp, content)}, content


class OnePicture:
    """ims.ports.attachments.Attachments with one picture, whatever is asked for; remembers nothing."""

    async def fetch(self, key: str) -> Attachment:
        upload = Upload(key, "acme", "mms", "image/jpeg", 4, "", 1, 1, "k1", 0, 2**60)
        return Attachment(upload, "a name of a person.jpg", b"\xff\xd8\xff\xd9")

    async def handed(self, key: str, to: str, hand: Callable[[Attachment], Awaitable[Given]]) -> str:
        return (await hand(await self.fetch(key))).name


FIELDS: dict[SendType, dict[str, Any]] = {
    SendType.MMS: {"attach_file_list": ["picture1", "picture2"]},
    SendType.RCS: {"brand_key": "BR.acme", "messagebase_id": "SMwThM00", "body": {"title": "제목", "media": "picture1"}},
}


class BizgoRig(Rig):
    types = (SendType.AT, SendType.BT, SendType.SMS, SendType.LMS, SendType.MMS, SendType.RCS)
    _ENDS: ClassVar = {"refused": "0212", "dead": "01077770001", "unlisted": "01077770002"}

    def __init__(self, url: str, stub: Stub) -> None:
        self.stub = stub
        stub.outcomes = {"01077770001": "3003", "01077770002": "47110"}
        self.unlisted = []
        common: dict[str, Any] = {"webhook_secret": SECRET, "timeout_s": self.timeout_s}
        self.provider = Bizgo(url, API_KEY, "bulk", on_unlisted=self.unlisted.append, attachments=OnePicture(), **common)
        self.impostor = Bizgo(url, "wrong", "bulk", **common)

    def behave(self, call: OutgoingCall, behaviour: str) -> OutgoingCall:
        self.stub.modes.append(behaviour)
        return call

    def number(self, end: str) -> str:
        return self._ENDS[end]

    async def sent(self) -> list[str]:
        return [entry.ref for entry in self.stub.sent]

    def signed(self, ref: str, secret: str = SECRET, at_ms: int | None = None, body: bytes | None = None) -> tuple[dict[str, str], bytes]:
        from bizgo.testing import sign_webhook

        payload = report("KEY1", ref, "sms", "10000") if body is None else body
        signed = sign_webhook(secret, payload, timestamp=at_ms)
        return signed.headers, signed.body


@asynccontextmanager
async def simulator() -> AsyncIterator[Rig]:
    async with listening(create_app(Settings(credential="key", magic_scale=0.02, lease_s=0.15))) as url:
        rig = SimulatorRig(url)
        yield rig
        await rig.provider.close()
        await rig.impostor.close()


@asynccontextmanager
async def bizgo() -> AsyncIterator[Rig]:
    import bizgo.models  # noqa: F401 - 1.7 s, which the stub's first answer would otherwise take

    stub = Stub()
    async with listening(stub.app()) as url:
        rig = BizgoRig(url, stub)
        yield rig
        await rig.provider.close()
        await rig.impostor.close()


_RIGS: dict[str, Callable[[], Any]] = {"simulator": simulator, "bizgo": bizgo}


@pytest.fixture(params=_RIGS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with _RIGS[request.param]() as made:
        yield made


@pytest.fixture
def make_call() -> Callable[..., OutgoingCall]:
    return call
