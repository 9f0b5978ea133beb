"""What a container's process does with a request before and beside its function."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ims.config import Settings, load_settings
from ims.errors import Misconfigured
from ims.serve import admission
from ims.serve import app as served
from ims.serve.app import CALL_PROVIDERS, NAMES, FunctionApp, plain
from ims.serve.http import server


class Functions:
    """Stands in for what functions-framework makes: each says its name, and how long it takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.takes_s: dict[str, float] = {}
        self.begun: list[str] = []
        self.cut_off: list[str] = []
        monkeypatch.setattr(served, "framework_app", self._app)

    def _app(self, name: str) -> Any:
        async def function(_scope: Any, _receive: Any, send: Any) -> None:
            self.begun.append(name)
            try:
                await asyncio.sleep(self.takes_s.get(name, 0))
            except asyncio.CancelledError:
                self.cut_off.append(name)
                raise
            await plain(send, 200, name.encode())

        return function


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Functions:
    return Functions(monkeypatch)


async def ask(app: Any, path: str, **scope: Any) -> tuple[int, bytes]:
    out: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        out.append(message)

    await app({"type": "http", "method": "POST", "path": path, "headers": [], **scope}, receive, send)
    return out[0]["status"], b"".join(m.get("body", b"") for m in out[1:])


def serving(names: list[str], **settings: Any) -> FunctionApp:
    context: Any = object()  # given, so that nothing is built; these functions ask nothing of it
    return FunctionApp(names, Settings(**settings), context)


async def test_one_function_gets_every_path(functions: Functions) -> None:
    app = serving(["route"])
    assert [await ask(app, path) for path in ("/", "/route", "/anything")] == [(200, b"route")] * 3


async def test_several_functions_are_told_apart_by_the_path(functions: Functions) -> None:
    app = serving(["route", "send_mt"])
    assert await ask(app, "/route") == (200, b"route")
    assert await ask(app, "/send_mt") == (200, b"send_mt")
    assert await ask(app, "/readyz") == (200, b"ready")


async def test_a_function_that_is_not_here_yet_is_asked_for_again(functions: Functions) -> None:
    status, _ = await ask(serving(["route", "send_mt"]), "/report")
    assert status == 404  # retried by a KafkaSource; a dead letter only when it stays so


async def test_a_stage_that_takes_too_long_is_cut_off_and_comes_again(functions: Functions) -> None:
    functions.takes_s["send_mt"] = 30
    app = serving(["send_mt"], provider_timeout_s=0.01, handler_limit_s=0.05)
    assert await ask(app, "/") == (503, b"HandlerLimit")
    assert functions.cut_off == ["send_mt"]


async def test_what_clients_call_has_no_such_limit(functions: Functions) -> None:
    functions.takes_s["intake"] = 0.1
    assert await ask(serving(["intake"], provider_timeout_s=0.01, handler_limit_s=0.05), "/ims") == (200, b"intake")


async def test_a_container_of_intake_refuses_too_much_in_our_own_words(
    monkeypatch: pytest.MonkeyPatch, functions: Functions, tmp_path: Path
) -> None:
    monkeypatch.setattr(admission, "OPEN_MOST", 1)
    monkeypatch.setattr(admission, "_HOLD_S", 0)
    functions.takes_s["intake"] = 30
    app = FunctionApp(["intake"], Settings(home=tmp_path))
    said: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, said.get, told.put))  # type: ignore[arg-type]  # plain dicts are messages
    said.put_nowait({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    path = "/ims/key/mt/sendMessage"
    first = asyncio.create_task(ask(app, path))
    while not functions.begun:
        await asyncio.sleep(0.01)
    status, body = await ask(app, path)
    assert (status, json.loads(body)["code"]) == (503, "9998")
    assert await ask(app, "/readyz") == (200, b"ready")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    said.put_nowait({"type": "lifespan.shutdown"})
    await life


@pytest.mark.parametrize("wrong", [{"provider_timeout_s": 20, "handler_limit_s": 20}, {"handler_limit_s": 90, "delivery_timeout_s": 90}])
def test_limits_that_do_not_hold_each_other_refuse_to_start(wrong: dict[str, float]) -> None:
    with pytest.raises(Misconfigured, match="IMS_PROVIDER_TIMEOUT_S < IMS_HANDLER_LIMIT_S < IMS_DELIVERY_TIMEOUT_S"):
        load_settings(**wrong)


async def test_only_who_calls_providers_gets_their_secrets(monkeypatch: pytest.MonkeyPatch, functions: Functions) -> None:
    built: dict[str, bool] = {}

    class Stop(Exception):
        pass

    def build(_settings: Settings, name: str, *, with_providers: bool) -> None:
        built[name] = with_providers
        raise Stop

    async def startup() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    monkeypatch.setattr(served, "build", build)
    for name in NAMES:
        with pytest.raises(Stop):
            await FunctionApp([name], Settings())({"type": "lifespan"}, startup, startup)  # type: ignore[arg-type]  # nothing is sent
    assert {name for name, providers in built.items() if providers} == CALL_PROVIDERS


@pytest.mark.parametrize(
    ("trusted", "peer", "expected"),
    [
        ("10.0.0.0/8,127.0.0.1", "127.0.0.1", "203.0.113.7"),  # through queue-proxy, activator and gateway
        ("10.0.0.0/8,127.0.0.1", "198.51.100.1", "198.51.100.1"),  # somebody else made the header up
        ("", "127.0.0.1", "127.0.0.1"),
    ],
)
async def test_the_client_behind_proxies(trusted: str, peer: str, expected: str) -> None:
    async def seen(scope: Any, _receive: Any, send: Any) -> None:
        await plain(send, 200, scope["client"][0].encode())

    config = server(seen, "127.0.0.1", 0, lifespan=False, trusted_proxies=trusted).config
    config.load()
    header = (b"x-forwarded-for", b"192.0.2.1, 203.0.113.7, 10.1.2.3, 10.9.9.9")  # the first one is the client's own invention
    status, body = await ask(config.loaded_app, "/", headers=[header], client=(peer, 1), http_version="1.1", scheme="http")
    assert (status, body) == (200, expected.encode())
