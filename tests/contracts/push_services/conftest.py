"""A push service and the stub that it talks to, scripted alike for FCM and APNs. Loopback only."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from aiohttp import web

from ims.adapters.providers.apns import stub as apple
from ims.adapters.providers.apns.adapter import Apns
from ims.adapters.providers.fcm import stub as google
from ims.adapters.providers.fcm.adapter import Fcm
from ims.adapters.providers.push_service import Errand
from ims.ports.push import ApnsKey, FcmKey
from ims.rules.push import Push
from tests.ims.push_keys import p256_key, rsa_key

PUSH = Push(True, "제목", "본문 내용", "myapp://order/1", "", {"order_id": "1"}, 1, "default", "order")
NOW = 1_790_000_000_000


class Rig:
    """What a test may do to a service's other side."""

    service: Any
    key: Any
    stub: Any
    address: str
    platform: str
    now: int
    _modes: ClassVar[dict[str, str]] = {}

    def errand(self, push: Push = PUSH, **more: Any) -> Errand:
        return Errand(**{"trace": "ref-1/0", "address": self.address, "platform": self.platform, "push": push, "ttl_s": 60, **more})

    def behave(self, mode: str, times: int = 1) -> None:
        self.stub.modes.extend([self._modes.get(mode, mode)] * times)

    @property
    def sent(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stub.sent
        return found

    async def deliver(self, push: Push = PUSH, **more: Any) -> Any:
        return await self.service.deliver(self.key, self.errand(push, **more))


class FcmRig(Rig):
    address, platform = "fcm-token-0001", "ANDROID"
    _modes: ClassVar = {"unavailable": "503", "dead": "UNREGISTERED", "key": "PERMISSION_DENIED", "too large": "too big"}

    def __init__(self, url: str, stub: google.Stub) -> None:
        self.stub, self.now = stub, NOW
        self.key = FcmKey("shop-1", "push@shop-1.iam.example", rsa_key(), "g1")
        self.service = Fcm(url, f"{url}/token", lambda: self.now, timeout_s=1.0)


class ApnsRig(Rig):
    address, platform = "a1" * 32, "IOS"
    _modes: ClassVar = {
        "429": "TooManyRequests", "429 bare": "TooManyProviderTokenUpdates", "500": "InternalServerError",
        "unavailable": "ServiceUnavailable", "dead": f"Unregistered@{NOW - 5}", "key": "InvalidProviderToken",
        "too large": "PayloadTooLarge", "bad field": "BadTopic",
    }  # fmt: skip

    def __init__(self, url: str, stub: apple.Stub) -> None:
        self.stub, self.now = stub, NOW
        self.key = ApnsKey("TEAM000001", "KEY0000001", p256_key(), "kr.example.shop", "production")
        self.service = Apns(url, lambda: self.now, timeout_s=1.0)


@asynccontextmanager
async def fcm_rig() -> AsyncIterator[FcmRig]:
    stub = google.Stub(modes=deque())
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    rig = FcmRig(f"http://127.0.0.1:{runner.addresses[0][1]}", stub)
    try:
        yield rig
    finally:
        await rig.service.close()
        await runner.cleanup()


@asynccontextmanager
async def apns_rig() -> AsyncIterator[ApnsRig]:
    stub = apple.Stub()
    async with stub.listening() as url:
        rig = ApnsRig(url, stub)
        try:
            yield rig
        finally:
            await rig.service.close()


@pytest.fixture
async def fcm() -> AsyncIterator[FcmRig]:
    async with fcm_rig() as rig:
        yield rig


@pytest.fixture
async def apns() -> AsyncIterator[ApnsRig]:
    async with apns_rig() as rig:
        yield rig


@pytest.fixture(params=["fcm", "apns"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with fcm_rig() if request.param == "fcm" else apns_rig() as made:
        yield made
