"""FCM alone: its message, its access tokens, its words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ims.adapters.providers.fcm.access import EARLY_MS
from ims.errors import CallRefused, NotSent
from ims.rules.push import Push
from tests.contracts.push_services.conftest import NOW, PUSH

SILENT = Push(False, "", "", "", "", {"sync": "1"}, None, "", "")


async def test_the_message_as_documented(fcm: Any) -> None:
    await fcm.deliver(collapse_key="c1")
    assert fcm.sent == [
        {
            "project": "shop-1",
            "token": fcm.address,
            "notification": {"title": "제목", "body": "본문 내용"},
            "data": {"order_id": "1", "link_url": "myapp://order/1"},
            "android": {
                "priority": "HIGH", "ttl": "60s", "collapse_key": "c1",
                "notification": {"channel_id": "order", "sound": "default", "notification_count": 1},
            },
        }
    ]  # fmt: skip


async def test_a_silent_push_shows_nothing(fcm: Any) -> None:
    await fcm.deliver(SILENT, high=False, ttl_s=0)
    (message,) = fcm.sent
    assert "notification" not in message and message["data"] == {"sync": "1"}
    assert message["android"] == {"priority": "NORMAL", "ttl": "0s"}


async def test_a_topic_goes_to_every_platform(fcm: Any) -> None:
    await fcm.deliver(platform="", address="news")
    (message,) = fcm.sent
    assert message["topic"] == "news" and "token" not in message
    assert message["apns"] == {
        "headers": {"apns-priority": "10", "apns-push-type": "alert", "apns-expiration": str(NOW // 1_000 + 60)},
        "payload": {"aps": {"badge": 1, "sound": "default"}},
    }


async def test_a_web_push_opens_its_link(fcm: Any) -> None:
    await fcm.deliver(PUSH._replace(link_url="https://shop.example/1"), platform="WEB")
    assert fcm.sent[0]["webpush"] == {"headers": {"TTL": "60"}, "fcm_options": {"link": "https://shop.example/1"}}


async def test_all_who_wait_share_one_access_token(fcm: Any) -> None:
    fcm.stub.token_delay_s = 0.05
    await asyncio.gather(*(fcm.deliver() for _ in range(10)))
    assert len(fcm.stub.granted) == 1 and len(fcm.sent) == 10
    claims = fcm.stub.granted[0]
    assert (claims["iss"], claims["exp"] - claims["iat"]) == ("push@shop-1.iam.example", 3_600)
    assert "firebase.messaging" in claims["scope"]


async def test_a_token_is_renewed_before_its_end(fcm: Any) -> None:
    await fcm.deliver()
    fcm.now = NOW + 3_600_000 - EARLY_MS - 1
    await fcm.deliver()
    assert len(fcm.stub.granted) == 1
    fcm.now += 1
    await fcm.deliver()
    assert len(fcm.stub.granted) == 2


async def test_a_refused_token_is_fetched_anew_once(fcm: Any) -> None:
    await fcm.deliver()
    fcm.stub.revoke()
    assert (await fcm.deliver()).code == "" and len(fcm.stub.granted) == 2


async def test_a_token_server_that_is_away_does_not_end_a_token_that_lives(fcm: Any) -> None:
    await fcm.deliver()
    fcm.now = NOW + 3_600_000 - EARLY_MS
    await fcm.service._token_http.close()
    fcm.service._token_http._base_url = "http://127.0.0.1:1"
    assert (await fcm.deliver()).code == ""
    fcm.now = NOW + 3_600_000
    with pytest.raises(NotSent):
        await fcm.deliver()


async def test_an_account_that_google_does_not_know_is_refused(fcm: Any) -> None:
    fcm.stub.grants = False
    with pytest.raises(CallRefused) as caught:
        await fcm.deliver()
    assert caught.value.code == "8003"


@pytest.mark.parametrize(
    ("mode", "code", "dead"),
    [
        ("UNREGISTERED", "4041", True),
        ("SENDER_ID_MISMATCH", "4031", True),
        ("bad token", "4001", True),
        ("bad field", "4002", False),
        ("too big", "4131", False),
        ("THIRD_PARTY_AUTH_ERROR", "4011", False),
        ("PERMISSION_DENIED", "8003", False),
        ("no project", "8003", False),
    ],
)
async def test_codes(fcm: Any, mode: str, code: str, dead: bool) -> None:
    fcm.behave(mode)
    verdict = await fcm.deliver()
    assert (verdict.code, bool(verdict.dead_before)) == (code, dead) and fcm.sent == []
