"""A registry and ports of intake in memory, and a plain Starlette app around `answer`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from functions.intake.http import answer
from functions.intake.validate import Accepted, Many, RowError, Slice
from ims.errors import Rejected
from ims.lanes import Lane
from ims.ports.attachments import Upload
from ims.ports.push import PushApp
from ims.ports.registry import Customer, ServiceKey, Template
from ims.rules import credentials
from ims.runtime.clients.callers import Asker

NOON_MS = round(datetime.fromisoformat("2027-03-02T12:00:00+09:00").timestamp() * 1000)
PROFILE = "p" * 40
LINK_TOKEN = "k1." + "t" * 60

_CUSTOMERS = {
    name: Customer(name, {f"{name}-user": (credentials.digest(f"{name}-secret"),)}, "", (), ("https://hook.example.com/ims", "loopback:*"))
    for name in ("acme", "other")
}
_KEYS = {
    key.key: key
    for key in (
        ServiceKey("acmeauth", "acme", Lane.AUTH, True),
        ServiceKey("acmerealtime", "acme", Lane.REALTIME, True),
        ServiceKey("acmemass", "acme", Lane.MASS, True),
        ServiceKey("acmead", "acme", Lane.AD, True),
        ServiceKey("acmestopped", "acme", Lane.MASS, False),
        ServiceKey("acmefenced", "acme", Lane.MASS, True, ("203.0.113.0/24",)),
        ServiceKey("otherkey", "other", Lane.MASS, True),
    )
}
_TEMPLATES = {
    ("at", "FULL"): Template("FULL", "at", "#{name}님, 인증번호는 #{code}입니다.", "realtime"),
    ("at", "BARE"): Template("BARE", "at"),
    ("bt", "SALE"): Template("SALE", "bt"),
    ("mt", "HELLO"): Template("HELLO", "mt", "안녕하세요 #{name}님"),
}
_APPS = {
    app_id: PushApp(app_id, fcm, apns)
    for app_id, fcm, apns in (("shop-app", True, True), ("droid-app", True, False), ("apple-app", False, True), ("demo-app", False, False))
}


def _upload(key: str, channel: str, customer: str = "acme", days: int = 40) -> Upload:
    return Upload(key, customer, channel, "image/jpeg", 1_000, "0" * 64, 640, 480, "k1", NOON_MS, NOON_MS + days * 86_400_000)


UPLOADS = {
    upload.key: upload
    for upload in (
        *(_upload(f"picture{n}", "mms") for n in range(4)),
        _upload("card", "rcs"),
        _upload("theirs", "mms", "other"),
        _upload("ending", "mms", days=0),
    )
}


class FakeDirectory:
    def __init__(self, choices: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._choices = choices or {}

    def service_key(self, key: str) -> ServiceKey | None:
        return _KEYS.get(key)

    def customer(self, name: str) -> Customer | None:
        customer = _CUSTOMERS.get(name)
        return customer and replace(customer, choices=self._choices.get(name, {}))

    def owns_callback(self, customer: str, number: str) -> bool:
        return number == "15441234"

    def owns_profile(self, customer: str, sender_key: str) -> bool:
        return sender_key == PROFILE

    def owns_domain(self, customer: str, domain: str) -> bool:
        return (customer, domain) == ("acme", "mail.acme.example")

    def owns_brand(self, customer: str, brand_key: str) -> bool:
        return brand_key in {"BR.acme", "BR.shop01"}

    def owns_chatbot(self, customer: str, brand_key: str, number: str) -> bool:
        return number == "15441234"

    def template(self, customer: str, channel: str, code: str) -> Template | None:
        return _TEMPLATES.get((channel, code))

    def push_app(self, customer: str, app_id: str) -> PushApp | None:
        return _APPS.get(app_id)

    def stopped(self, *, customer: str, template: str, sender: str, campaign: str) -> bool:
        return False


class FakePorts:
    """Remembers what was accepted; `fails` is raised by whatever accepts."""

    def __init__(self) -> None:
        self.registry = self
        self.at_ms = NOON_MS
        self.accepted: dict[str, tuple[bytes, Any]] = {}
        self.slices: list[Slice] = []
        self.traces: list[str] = []
        self.allows = True
        self.reachable = True
        self.fails: Exception | None = None
        self.refused: list[str] = []
        self.choices: dict[str, dict[str, str]] = {}
        self.replays: list[tuple[int | None, int | None, Sequence[str]]] = []

    async def directory(self) -> FakeDirectory:
        return FakeDirectory(self.choices)

    async def opted_out(self, customer: str, channel: str, recipients: Sequence[bytes]) -> set[bytes]:
        return set()

    def now(self) -> int:
        return self.at_ms

    async def customer_of(self, username: str) -> Customer | None:
        customer = next((c for c in _CUSTOMERS.values() if username in c.credentials), None)
        return customer and replace(customer, choices=self.choices.get(customer.name, {}))

    def _accept(self, message_id: str, digest: bytes, what: Any) -> str:
        if self.fails:
            raise self.fails
        known = self.accepted.setdefault(message_id, (digest, what))
        if known[0] != digest:
            raise Rejected("2030", "message_id")
        return "fresh" if known[1] is what else "replayed"

    async def accept_single(self, kind: Lane, accepted: Accepted, trace: str) -> str:
        self.traces.append(trace)
        return self._accept(accepted.row.message_id, accepted.digest, accepted)

    async def accepted_before(self, kind: Lane, accepted: Accepted) -> bool:
        known = self.accepted.get(accepted.row.message_id)
        return known is not None and known[0] == accepted.digest

    async def accept_rows(self, kind: Lane, many: Many, part: Slice, trace: str) -> list[RowError]:
        self.slices.append(part)
        errors = []
        for index, row, digest in part.rows:
            try:
                self._accept(row.message_id, digest, row)
            except Rejected as exc:
                errors.append(RowError(index, row.message_id, exc.code))
        return errors

    async def find_files(self, keys: Sequence[str]) -> Mapping[str, Upload]:
        return {key: UPLOADS[key] for key in keys if key in UPLOADS}

    async def check_url(self, url: str) -> bool:
        return self.reachable

    async def draw(self, key: ServiceKey, rows: int) -> bool:
        return self.allows

    def may_refuse(self, token: str) -> None:
        if token != LINK_TOKEN:
            raise Rejected("1404")

    async def refuse(self, token: str) -> None:
        self.may_refuse(token)
        self.refused.append(token)

    async def poll(self, key: ServiceKey, limit: int) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
        return ("b1", [{"message_id": "m1"}] * min(limit, 2)) if self.allows else (None, [])

    async def acknowledge(self, key: ServiceKey, batch_id: str) -> bool:
        return batch_id == "b1"

    async def read(self, key: ServiceKey, message_id: str) -> Mapping[str, Any] | None:
        return {"message_id": message_id, "result": "RECEIVED"} if message_id == "m1" else None

    async def replay(self, key: ServiceKey, from_ms: int | None, to_ms: int | None, message_ids: Sequence[str]) -> int:
        self.replays.append((from_ms, to_ms, message_ids))
        return len(message_ids)


def headers_of(pair: str) -> dict[str, str]:
    return {"x-ims-version": "version-1", "x-ims-key": base64.b64encode(pair.encode()).decode()}


@pytest.fixture
def ports() -> FakePorts:
    return FakePorts()


@pytest.fixture
def app(ports: FakePorts) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            response = await answer(Request(scope, receive), ports)  # type: ignore[arg-type]
            await response(scope, receive, send)

    return app


class Client:
    """Asks the app, with good headers unless told otherwise."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app)

    def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://ims") as client:
                return await client.request(method, path, headers=headers, **rest)

        headers = {**headers_of("acme-user:acme-secret"), **(headers or {})}
        return asyncio.run(ask())

    def post(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("POST", path, **rest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)


@pytest.fixture
def client(app: Any) -> Client:
    return Client(app)


@pytest.fixture
def headers() -> Callable[[str], dict[str, str]]:
    return headers_of


@pytest.fixture
def asker() -> Callable[..., Asker]:
    def make(key: str = "acmemass", now_ms: int = NOON_MS) -> Asker:
        return Asker(_KEYS[key], _CUSTOMERS["acme"], FakeDirectory(), now_ms)

    return make


@pytest.fixture
def text() -> dict[str, Any]:
    return {"message_id": "m1", "message_type": "SMS", "callback": "1544-1234", "phone_number": "010-2345-6789", "message": "안녕"}


@pytest.fixture
def email() -> dict[str, Any]:
    return {
        "message_id": "e1",
        "message_type": "EM",
        "from_email": "no-reply@mail.acme.example",
        "to_email": "Hong@Example.com",
        "subject": "#{name}님, 주문",
        "message": "<p>#{name}님</p>",
        "mapping": {"name": "홍길동"},
    }


@pytest.fixture
def alimtalk() -> dict[str, Any]:
    return {
        "message_id": "a1",
        "message_type": "AT",
        "sender_key": PROFILE,
        "template_code": "FULL",
        "phone_number": "01023456789",
        "mapping": {"name": "홍길동", "code": 123456},
    }
