"""What every push service promises (ims/adapters/providers/push_service.py), on the stubs of FCM and APNs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ims.errors import NotSent, ProviderError, Unclear
from ims.ports.push import ApnsKey, FcmKey
from ims.results import listed

pytestmark = pytest.mark.usefixtures("rig")


async def test_a_push_is_taken_once_and_named(rig: Any) -> None:
    verdict = await rig.deliver()
    assert verdict.code == "" and verdict.provider_id and verdict.dead_before == 0
    assert len(rig.sent) == 1


async def test_many_go_side_by_side(rig: Any) -> None:
    await rig.deliver()
    rig.behave("slow", 20)
    verdicts = await asyncio.gather(*(rig.deliver(trace=f"ref-{n}/0") for n in range(20)))
    assert {v.code for v in verdicts} == {""} and len(rig.sent) == 21


@pytest.mark.parametrize(
    ("mode", "error", "code"),
    [
        ("429", NotSent, "8004"),
        ("429 bare", NotSent, "8004"),
        ("unavailable", NotSent, "5031"),
        ("500", Unclear, "8002"),
        ("close_before", Unclear, "8002"),
        ("close_after", Unclear, "8002"),
        ("garbage", Unclear, None),
        ("hang", Unclear, "8002"),
        ("redirect", Unclear, "8005"),
    ],
)
async def test_what_fails_says_what_may_be_done(rig: Any, mode: str, error: type[ProviderError], code: str | None) -> None:
    rig.behave(mode)
    with pytest.raises(error) as caught:
        await rig.deliver()
    assert type(caught.value) is error and caught.value.code == (code or caught.value.code)
    assert len(rig.sent) == (mode in {"close_after", "garbage"})
    if mode.startswith("429"):
        assert caught.value.retry_after_s == (7 if mode == "429" else 60)


@pytest.mark.parametrize("mode", ["huge", "deep", "nameless"])
async def test_a_hostile_answer_is_unknown_or_failed_and_never_more(rig: Any, mode: str) -> None:
    rig.behave(mode)
    try:
        verdict = await rig.deliver()
    except Unclear:
        return
    assert verdict.dead_before == 0


@pytest.mark.parametrize(("mode", "code"), [("key", None), ("too large", "4131"), ("bad field", "4002")])
async def test_what_is_no_fault_of_the_token_leaves_it_alive(rig: Any, mode: str, code: str | None) -> None:
    rig.behave(mode)
    verdict = await rig.deliver()
    assert verdict.code == (code or verdict.code) != "" and verdict.dead_before == 0
    assert listed("push", verdict.code) and rig.sent == []


async def test_a_dead_token_is_said_to_be_dead_since_when(rig: Any) -> None:
    rig.behave("dead")
    verdict = await rig.deliver()
    assert verdict.code in {"4041", "4101"} and rig.now - 10 < verdict.dead_before <= rig.now


async def test_nobody_reachable_surely_sent_nothing(rig: Any) -> None:
    await rig.deliver()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    for peer in [rig.service._http] if rig.platform == "ANDROID" else rig.service._hosts.values():
        await peer.close()
        peer._base_url = url
    with pytest.raises(NotSent) as caught:
        await rig.deliver()
    assert caught.value.code == "8001"


async def test_a_closed_service_may_be_used_again(rig: Any) -> None:
    await rig.deliver()
    await rig.service.close()
    assert (await rig.deliver()).code == ""


async def test_nothing_that_can_be_printed_holds_a_token_a_text_or_a_key(rig: Any) -> None:
    rig.behave("500")
    with pytest.raises(Unclear) as caught:
        await rig.deliver()
    shown = f"{rig.service!r} {rig.errand()!r} {rig.key!r} {caught.value!r}"
    for secret in (rig.address, "본문", "PRIVATE KEY"):
        assert secret not in shown


async def test_a_key_that_cannot_sign_is_refused_not_retried(rig: Any) -> None:
    broken = {FcmKey: FcmKey("p", "a@b", "no key"), ApnsKey: ApnsKey("T", "K", "no key", "t")}[type(rig.key)]
    with pytest.raises(ProviderError) as caught:
        await rig.service.deliver(broken, rig.errand())
    assert caught.value.code == "8003" and rig.sent == []
