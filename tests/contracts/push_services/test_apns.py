"""APNs alone: headers and payload, one connection, its signed token, its words."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from ims.adapters.providers.apns.adapter import RENEW_MS
from ims.adapters.providers.apns.calls import apns_id
from ims.adapters.providers.apns.connection import RESTED_S
from ims.errors import NotSent, Unclear
from ims.rules.push import Push
from tests.contracts.push_services.conftest import NOW, PUSH

SILENT = Push(False, "", "", "", "", {"sync": "1"}, None, "", "")


async def test_the_push_as_documented(apns: Any) -> None:
    verdict = await apns.deliver(PUSH._replace(image_url="https://shop.example/1.png"), collapse_key="c1")
    (sent,) = apns.sent
    headers = {k: v for k, v in sent["headers"].items() if k.startswith("apns-")}
    assert headers == {
        "apns-id": apns_id("ref-1/0"), "apns-topic": "kr.example.shop", "apns-push-type": "alert", "apns-priority": "10",
        "apns-expiration": str(NOW // 1_000 + 60), "apns-collapse-id": "c1",
    }  # fmt: skip
    assert sent["payload"] == {
        "aps": {"alert": {"title": "제목", "body": "본문 내용"}, "badge": 1, "sound": "default", "mutable-content": 1},
        "order_id": "1", "link_url": "myapp://order/1", "image_url": "https://shop.example/1.png",
    }  # fmt: skip
    assert verdict.provider_id == apns_id("ref-1/0") == str(uuid.UUID(verdict.provider_id))


async def test_a_silent_push_has_low_priority_and_nothing_to_show(apns: Any) -> None:
    await apns.deliver(SILENT, ttl_s=0)
    (sent,) = apns.sent
    assert (sent["headers"]["apns-push-type"], sent["headers"]["apns-priority"]) == ("background", "5")
    assert sent["headers"]["apns-expiration"] == "0" and sent["payload"] == {"aps": {"content-available": 1}, "sync": "1"}


async def test_pushes_share_a_connection(apns: Any) -> None:
    await apns.deliver()
    apns.behave("slow", 30)
    await asyncio.gather(*(apns.deliver(trace=f"r{n}/0") for n in range(30)))
    assert len(apns.sent) == 31 and apns.stub.connections <= 4 and apns.stub.most_streams > 1


async def test_more_than_the_windows_hold_at_once_waits_for_its_turn(apns: Any) -> None:
    apns.stub.streams_allowed = 8
    large = PUSH._replace(body="가" * 1_200)
    verdicts = await asyncio.gather(*(apns.deliver(large, trace=f"r{n}/0") for n in range(60)))
    assert {v.code for v in verdicts} == {""} and len(apns.sent) == 60 and apns.stub.most_streams <= 60


@pytest.mark.parametrize("mode", ["refuse", "go away"])
async def test_what_apple_says_it_never_looked_at_was_surely_not_sent(apns: Any, mode: str) -> None:
    await apns.deliver()
    apns.behave(mode)
    with pytest.raises(NotSent) as caught:
        await apns.deliver()
    assert caught.value.code == "8001" and len(apns.sent) == 1
    assert (await apns.deliver()).code == "" and apns.stub.connections == (2 if mode == "go away" else 1)


async def test_a_connection_that_rested_is_asked_before_a_push_is_lost_on_it(apns: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await apns.deliver()
    live = apns.service._hosts["production"]._live
    live.heard_at -= RESTED_S
    assert (await apns.deliver()).code == "" and apns.stub.connections == 1
    monkeypatch.setattr("ims.adapters.providers.apns.connection.PING_S", 0.05)
    live.heard_at -= RESTED_S
    apns.stub.deaf = True
    apns.stub._writers.append(apns.stub._writers[0])  # so that the one there is counts as old
    assert (await apns.deliver()).code == "" and apns.stub.connections == 2 and len(apns.sent) == 3


async def test_a_push_that_waits_for_its_turn_too_long_was_not_sent(apns: Any) -> None:
    await apns.deliver()
    apns.stub.streams_allowed = 1
    await apns.service.close()
    await apns.deliver()
    apns.behave("hang")
    first = asyncio.create_task(apns.deliver())
    await asyncio.sleep(0.05)
    apns.service._hosts["production"]._timeout_s = 0.1
    with pytest.raises(NotSent):
        await apns.deliver()
    with pytest.raises(Unclear):
        await first


async def test_the_token_is_signed_anew_after_forty_minutes_and_not_before(apns: Any) -> None:
    await apns.deliver()
    apns.now = NOW + RENEW_MS - 1
    await apns.deliver()
    assert len(apns.stub.tokens) == 1
    apns.now += 1
    await apns.deliver()
    assert len(apns.stub.tokens) == 2


async def test_an_expired_token_is_signed_anew_once(apns: Any) -> None:
    apns.behave("ExpiredProviderToken")
    assert (await apns.deliver()).code == "" and len(apns.stub.tokens) == 2
    apns.behave("ExpiredProviderToken", 2)
    assert (await apns.deliver()).code == "4032"


@pytest.mark.parametrize(
    ("mode", "code", "dead_before"),
    [
        (f"Unregistered@{NOW - 9_000}", "4101", NOW - 9_000),
        (f"ExpiredToken@{NOW - 9_000}", "4102", NOW - 9_000),
        (f"Unregistered@{NOW + 9_000}", "4101", NOW),  # their clock is ahead of ours
        ("Unregistered", "4101", NOW),
        ("DeviceTokenNotForTopic", "4003", NOW),
        ("BadTopic", "4002", 0),
        ("InvalidProviderToken", "4032", 0),
    ],
)
async def test_codes(apns: Any, mode: str, code: str, dead_before: int) -> None:
    apns.behave(mode)
    verdict = await apns.deliver()
    assert (verdict.code, verdict.dead_before) == (code, dead_before) and apns.sent == []


async def test_a_bad_token_dies_only_where_the_environment_has_taken_another(apns: Any) -> None:
    apns.stub.outcomes = {"bb" * 32: "BadDeviceToken"}
    assert await apns.deliver(address="bb" * 32) == ("4001", "BadDeviceToken", "", 0)
    await apns.deliver()
    assert (await apns.deliver(address="bb" * 32)).dead_before == NOW
    other = apns.key.__class__("TEAM000001", "KEY0000001", apns.key.private_key, "kr.example.shop", "sandbox")
    assert (await apns.service.deliver(other, apns.errand(address="bb" * 32))).dead_before == 0


@pytest.mark.parametrize("token", ["../../3/device/x", "zz" * 32, "", "a1" * 300])
async def test_a_token_that_is_none_is_not_put_into_a_path(apns: Any, token: str) -> None:
    assert (await apns.deliver(address=token)).code == "4001" and apns.stub.connections == 0
