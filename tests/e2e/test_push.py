"""App push from the POST to the signed callback, through the simulator: by token, by user, to a topic, silent, and as an ad."""

from __future__ import annotations

from typing import Any

import pytest
from callbacks import CallbackServer
from harness import Home, new_id, text

pytestmark = pytest.mark.e2e


def push(home: Home, target: dict[str, str], *, key: str = "realtime", **fields: Any) -> str:
    body = {"message_id": new_id("push"), "message_type": "ALERT", "app_id": "demo-app", "target": target, "title": "주문", **fields}
    if body["message_type"] == "ALERT":
        body.setdefault("message", text())
    else:
        body.pop("title")
    answer = home.post("push/sendMessage", body, key=key)
    assert answer.code == "0000", answer.json()
    return str(body["message_id"])


def add_token(home: Home, token: str, user: str, *more: str) -> None:
    home.ims("push-tokens", "add", home.customers[0].name, "demo-app", token, "--platform", "ANDROID", "--user", user, *more)


def test_every_way_to_name_a_recipient_is_told_by_callback(ims: Home, callbacks: CallbackServer) -> None:
    url = callbacks.url("/push")
    user, agreed = new_id("user"), new_id("user")
    add_token(ims, new_id("token-of-a-phone"), user)
    add_token(ims, new_id("token-of-a-phone"), agreed, "--ad", "Y", "--night-ad", "Y")
    ad = {"ad_flag": "Y", "contact": "1544-1234", "remove_guide": "설정 > 알림"}
    wanted = {
        push(ims, {"token": new_id("token"), "platform": "IOS"}, callback_url=url): ("DELIVERED", "0000"),
        push(ims, {"app_user_id": user}, callback_url=url): ("DELIVERED", "0000"),
        push(ims, {"topic": "news"}, callback_url=url): ("DELIVERED", "0000"),
        push(ims, {"app_user_id": user}, message_type="BACKGROUND", data={"sync": "1"}, callback_url=url): ("DELIVERED", "0000"),
        push(ims, {"app_user_id": new_id("nobody")}, callback_url=url): ("FAILED", "4040"),
        push(ims, {"app_user_id": user}, **ad, callback_url=url): ("REJECTED", "7103"),
        push(ims, {"app_user_id": agreed}, **ad, callback_url=url): ("DELIVERED", "0000"),
    }
    told = callbacks.wait("/push", lambda found: wanted.keys() <= found.keys(), 20, "the results of pushes")
    assert {message_id: (results[-1]["result"], results[-1]["report_code"]) for message_id, results in told.items()} == wanted
    assert {results[-1]["report_type"] for results in told.values()} == {"PU"}
