"""What is refused at the port, and what never is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ims.lanes import Lane
from ims.serve import admission
from ims.serve.admission import AUTH_MOST, LISTS_BYTES, OPEN_MOST, Admission

MIB = 1024 * 1024


class Port:
    """An application whose answers wait until the test lets them go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.inside = 0
        self._tasks: list[asyncio.Task[int]] = []
        self._admission = Admission(self._app, self._kind_of)

    async def _kind_of(self, key: str) -> Lane | None:
        return {"codes": Lane.AUTH, "notices": Lane.REALTIME}.get(key)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        self.inside += 1
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, path: str, size: int | None = 100) -> asyncio.Task[int]:
        """A request under way; its status in the end."""

        async def request() -> int:
            out: list[Any] = []
            chunks = [{"type": "http.request", "body": b"", "more_body": True}, {"type": "http.request", "body": b""}]

            async def receive() -> Any:
                return chunks.pop(0)

            async def send(message: Any) -> None:
                out.append(message)

            headers = [] if size is None else [(b"content-length", str(size).encode())]
            await self._admission({"type": "http", "path": path, "headers": headers}, receive, send)
            if out[0]["status"] == 503:
                assert json.loads(out[1]["body"])["code"] == "9998"
                assert (b"retry-after", b"1") in out[0]["headers"]
                assert not chunks, "the body was read away"
            return int(out[0]["status"])

        task = asyncio.create_task(request())
        self._tasks.append(task)
        for _ in range(4):
            await asyncio.sleep(0)
        return task

    async def statuses(self) -> list[int]:
        self.go.set()
        return list(await asyncio.gather(*self._tasks))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_HOLD_S", 0)


async def test_singles_beyond_the_room_are_refused_and_room_comes_back() -> None:
    port = Port()
    for _ in range(OPEN_MOST + 3):
        await port.ask("/ims/notices/mt/sendMessage")
    assert sorted(await port.statuses()) == [200] * OPEN_MOST + [503] * 3
    await port.ask("/ims/notices/mt/sendMessage")
    assert (await port.statuses())[-1] == 200


async def test_codes_have_room_of_their_own() -> None:
    port = Port()
    for _ in range(OPEN_MOST + 1):
        await port.ask("/ims/notices/mt/sendMessage")
    for _ in range(AUTH_MOST):
        await port.ask("/ims/codes/mt/sendMessage")
    await port.ask("/ims/codes/mt/sendMessage")
    statuses = await port.statuses()
    assert statuses[OPEN_MOST] == statuses[-1] == 503
    assert set(statuses[OPEN_MOST + 1 : -1]) == {200}


async def test_lists_are_counted_by_their_bytes() -> None:
    port = Port()
    path = "/ims/notices/mt/sendMessages"
    sizes = [LISTS_BYTES * 2, 1, None]  # the first is larger than the room, and is let into the empty one
    for size in sizes:
        await port.ask(path, size)
    assert await port.statuses() == [200, 503, 503]
    port = Port()
    for size in (None, 32 * MIB, 32 * MIB, 31 * MIB, MIB, MIB):
        await port.ask(path, size)
    assert await port.statuses() == [200, 200, 200, 200, 200, 503], "one that does not say its size counts as the largest"


async def test_health_and_the_document_are_never_refused() -> None:
    port = Port()
    for _ in range(OPEN_MOST + 1):
        await port.ask("/ims/notices/mt/sendMessage")
    for path in ("/healthz", "/readyz", "/metrics", "/ims/openapi.json"):
        await port.ask(path)
    assert (await port.statuses())[-4:] == [200] * 4
