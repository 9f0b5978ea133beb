"""The simulator as its users see it: key modes, faults, listing, pushed reports, bad requests. Everything on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ims.adapters.providers.simulator.adapter import Simulator
from ims.adapters.providers.simulator.server import create_app
from ims.adapters.providers.simulator.settings import Settings
from ims.errors import CallRefused, NotSent, Rejected, Unclear
from ims.ports.providers import Outgoing, OutgoingCall
from ims.topics import SendType

SCALE = 0.02


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def simulated(keys: str = "call", account: str = "bulk", **more: Any) -> AsyncIterator[tuple[Simulator, str]]:
    async with listening(create_app(Settings(keys=keys, magic_scale=SCALE, **more))) as url:
        provider = Simulator(url, account, keys=keys, timeout_s=0.5)
        yield provider, url
        await provider.close()


def call(*numbers: str, key: str = "k1", refs: list[str] | None = None, ttl: int = 60, text: str = "안녕") -> OutgoingCall:
    refs = refs or [f"m{i}" for i in range(len(numbers))]
    return OutgoingCall(key, ttl, SendType.SMS, [Outgoing(r, n, text, {"a": r}) for r, n in zip(refs, numbers, strict=True)])


async def get(url: str, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        return await response.json()


async def sent(url: str) -> list[str]:
    return [entry["ref"] for entry in (await get(url, "/v1/sent"))["sent"]]


async def fault(url: str, mode: str, share: float = 1.0, seconds: float = 60) -> int:
    async with aiohttp.ClientSession() as session, session.post(
        f"{url}/v1/faults", json={"mode": mode, "share": share, "seconds": seconds}
    ) as response:
        return response.status


A, B, C = "01023450001", "01023450002", "01023450003"


@pytest.mark.parametrize(("keys", "went"), [("call", ["a", "b"]), ("recipient", ["a", "b", "c"]), ("none", ["a", "b", "a", "b", "c"])])
async def test_what_a_key_protects_in_each_mode(keys: str, went: list[str]) -> None:
    async with simulated(keys) as (provider, url):
        await provider.send(call(A, B, refs=["a", "b"]))
        answers = await provider.send(call(A, B, C, refs=["a", "b", "c"]))
        assert {a.status for a in answers} == {"accepted"}
        assert await sent(url) == went
        assert (await get(url, "/v1/stats"))["duplicates_refused"] == {"call": 3, "recipient": 2, "none": 0}[keys]


@pytest.mark.parametrize("keys", ["call", "recipient"])
async def test_a_key_ends_with_its_life(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulated(keys) as (provider, url):
        await provider.send(call(A, ttl=1))
        now = time.time()
        monkeypatch.setattr("ims.adapters.providers.simulator.server._now_ms", lambda: int((now + 2) * 1000))
        await provider.send(call(A, ttl=1))
        assert await sent(url) == ["m0", "m0"]
        assert [a.status for a in await provider.ask(call(A))] == ["accepted"]


@pytest.mark.parametrize("ttl", [0, 60])
async def test_a_call_can_be_asked_about_after_its_keys_life(ttl: int) -> None:
    async with simulated() as (provider, _):
        await provider.send(call(A, ttl=ttl))
        assert [a.status for a in await provider.ask(call(A))] == ["accepted"]


async def test_a_body_with_line_breaks_is_one_line_of_the_journal() -> None:
    async with simulated() as (_, url), aiohttp.ClientSession() as session:
        body = {"account": "bulk", "key": "k", "send_type": "SMS", "messages": [{"ref": "a", "to": A, "text": "한\n줄 더"}]}
        async with session.post(f"{url}/v1/calls", data=json.dumps(body, indent=2)) as response:
            assert response.status == 200
        async with session.post(f"{url}/v1/calls", json=body | {"key": "k2"}) as response:
            assert response.status == 200
        assert [e["text"] for e in (await get(url, "/v1/sent"))["sent"]] == ["한\n줄 더"] * 2


@pytest.mark.parametrize("keys", ["call", "recipient"])
async def test_asking_tells_what_came_and_closes_the_key_to_what_did_not(keys: str) -> None:
    async with simulated(keys) as (provider, url):
        await provider.send(call(A, "01099990007", refs=["a", "refused"]))
        answers = await provider.ask(call(A, "01099990007", C, refs=["a", "refused", "c"]))
        assert [(a.status, a.code) for a in answers] == [("accepted", ""), ("failed", "3050"), ("failed", "8001")]
        never = call(B, key="k9", refs=["b"])
        assert [(a.status, a.code) for a in await provider.ask(never)] == [("failed", "8001")]
        assert [(a.status, a.code) for a in await provider.send(never)] == [("failed", "8001")]
        assert await sent(url) == ["a"]
        assert (await get(url, "/v1/calls/k1"))["answers"][0]["ref"] == "a"


async def test_without_keys_nobody_can_ask() -> None:
    async with simulated("none") as (provider, _):
        assert not provider.abilities.can_ask and provider.abilities.key_ttl_s == 0
        assert [a.status for a in await provider.ask(call(A))] == ["unknown"]


async def test_the_listing_shows_what_was_asked_for_in_pages() -> None:
    async with simulated() as (provider, url):
        for n in range(5):
            await provider.send(call(A, "01099990007", B, key=f"k{n}", refs=[f"{n}a", f"{n}x", f"{n}b"], text="#{a} 안녕"))
        first = await get(url, "/v1/sent?limit=4")
        entry = first["sent"][0]
        assert {k: entry[k] for k in ("number", "ref", "to", "send_type", "account", "key", "text")} == {
            "number": 1, "ref": "0a", "to": A, "send_type": "SMS", "account": "bulk", "key": "k0", "text": "0a 안녕",
        }  # fmt: skip
        rest = await get(url, f"/v1/sent?after={first['next']}&limit=100")
        assert [e["ref"] for e in first["sent"] + rest["sent"]] == [f"{n}{x}" for n in range(5) for x in "ab"]
        assert (await get(url, "/v1/sent/count")) == {"count": 10}
        assert (await get(url, "/v1/sent?after=10")) == {"sent": [], "next": None}


@pytest.mark.parametrize(
    ("mode", "error", "went"),
    [("away", NotSent, 0), ("429", NotSent, 0), ("slow", None, 1), ("garbage", Unclear, 1), ("close_after", Unclear, 1)],
)
async def test_a_fault_of_the_whole_server(mode: str, error: type[Exception] | None, went: int) -> None:
    async with simulated() as (provider, url):
        assert await fault(url, mode) == 204
        if error is None:
            await provider.send(call(A))
        else:
            with pytest.raises(error):
                await provider.send(call(A))
        if mode == "away":
            with pytest.raises(Unclear):
                await provider.poll()
        assert await fault(url, "ok") == 204
        assert len(await sent(url)) == went
        assert (await provider.send(call(A)))[0].status == "accepted"
        assert len(await sent(url)) == 1


async def test_a_fault_meets_its_share_of_the_calls_and_ends() -> None:
    async with simulated() as (provider, url):
        await fault(url, "429", share=0.5)
        refused = 0
        for n in range(20):
            try:
                await provider.send(call(A, key=f"k{n}"))
            except NotSent:
                refused += 1
        assert refused == 10
        await fault(url, "429", seconds=0)
        await provider.send(call(A))
        assert await fault(url, "nonsense") == 400


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"ref": "a", "to": A, "text": ""}] * 2,
        [{"ref": 'a"', "to": A, "text": ""}],
        [{"ref": "a\nb", "to": A, "text": ""}],
        [{"ref": "", "to": A, "text": ""}],
        [{"ref": f"r{i}", "to": A, "text": ""} for i in range(1001)],
        [{"to": A}],
        "x",
    ],
)
async def test_a_bad_call_is_refused_whole(messages: Any) -> None:
    async with simulated() as (_, url), aiohttp.ClientSession() as session:
        body = {"account": "bulk", "key": "k", "send_type": "SMS", "messages": messages}
        async with session.post(f"{url}/v1/calls", json=body) as response:
            assert response.status == 400 and A not in await response.text()
        assert await sent(url) == []


async def test_a_call_it_cannot_read_is_refused_for_good() -> None:
    async with simulated() as (provider, _):
        with pytest.raises(CallRefused):
            await provider.send(call(A, refs=["with space"]))


@asynccontextmanager
async def receipt(answers: list[int]) -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A receiver that answers these statuses, then 200, and keeps what it got."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=answers.pop(0) if answers else 200)

    app = web.Application()
    app.router.add_post("/receipt/simulator", take)
    async with listening(app) as url:
        yield url, got


async def until(condition: Any, seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


async def test_reports_are_posted_signed_until_they_are_taken() -> None:
    async with receipt([503]) as (receipt_url, got):
        async with simulated(account="fast", receipt_url=receipt_url, reports={"fast": "webhook"}) as (provider, url):
            await provider.send(call(A, B))

            async def told() -> bool:
                return (await get(url, "/v1/stats"))["reports_waiting"]["fast"] == 0

            await until(told)
            assert len(got) == 2 and got[0][1] == got[1][1]
            headers, body = got[1]
            reports = provider.webhook(headers, body, int(time.time() * 1000))
            assert [(r.ref, r.status) for r in reports] == [("m0", "delivered"), ("m1", "delivered")]
            with pytest.raises(Rejected):
                provider.webhook(headers, body.replace(b"m0", b"m9"), int(time.time() * 1000))


async def test_a_report_may_come_before_the_answer() -> None:
    async with receipt([]) as (receipt_url, got):
        async with simulated(account="fast", receipt_url=receipt_url, reports={"fast": "webhook"}, latency_ms=300) as (provider, _):
            sending = asyncio.create_task(provider.send(call("01099990006")))

            async def posted() -> bool:
                return bool(got)

            await until(posted)
            assert not sending.done()
            assert (await sending)[0].status == "accepted"


async def test_polled_accounts_are_apart() -> None:
    async with simulated(account="bulk") as (provider, url):
        other = Simulator(url, "fast")
        await provider.send(call(A))
        assert await other.poll() is None
        polled = await provider.poll()
        assert polled is not None and len(polled.reports) == 1
        await other.close()
