"""push/sendMessage and sendMessages: what is taken, how it travels, and what is refused, all at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ims.rules import push as rules

TOKEN = "fcm-token-of-a-phone"
PUSH: dict[str, Any] = {
    "message_id": "p1",
    "message_type": "ALERT",
    "app_id": "shop-app",
    "target": {"token": TOKEN, "platform": "ANDROID"},
    "title": "제목",
    "message": "본문",
}
AD = {"ad_flag": "Y", "contact": "1544-1234", "remove_guide": "설정 > 알림"}
SILENT = {"message_type": "BACKGROUND", "title": None, "message": None, "data": {"sync": "1"}}
ONE, MANY = "/ims/acmerealtime/push/sendMessage", "/ims/acmemass/push/sendMessages"


def post(client: Any, body: dict[str, Any], path: str = ONE) -> Any:
    content = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
    return client.post(path, content=content, headers={"content-type": "application/json", "accept-language": "en"})


def accepted(ports: Any) -> Any:
    ((_, (_, found)),) = ports.accepted.items()
    return found


@pytest.mark.parametrize(
    ("target", "to", "kind", "fields"),
    [
        ({"token": TOKEN, "platform": "ANDROID"}, TOKEN, "token", {"platform": "ANDROID"}),
        ({"token": "a1" * 32, "platform": "IOS", "app_user_id": None, "topic": None}, "a1" * 32, "token", {"platform": "IOS"}),
        ({"app_user_id": "user-7"}, "user-7", "user", {}),
        ({"topic": "news"}, "news", "topic", {}),
    ],
)
def test_a_push_travels_with_what_was_given(client: Any, ports: Any, target: Any, to: str, kind: str, fields: Any) -> None:
    more = {"data": {"order_id": "#{n}"}, "mapping": {"n": 7}, "badge": 0, "ttl": 0, "priority": "HIGH", "collapse_key": "c", "link_url": "a://b"}
    assert post(client, {**PUSH, **more, "target": target}).json() == {"code": "0000", "data": "p1"}
    found = accepted(ports)
    assert (found.row.to, found.row.to_kind, found.row.fields, found.row.mapping) == (to, kind, fields, {"n": "7"})
    assert found.shared.fields == {
        "app_id": "shop-app", "push_type": "ALERT", "data": {"order_id": "#{n}"}, "badge": 0, "ttl": 0, "priority": "HIGH",
        "collapse_key": "c", "link_url": "a://b",
    }  # fmt: skip
    assert (found.shared.title, found.shared.message_type, found.lane) == ("제목", "ALERT", "realtime")


@pytest.mark.parametrize("name", ["message_type", "push_type"])
def test_the_kind_has_two_names(client: Any, ports: Any, name: str) -> None:
    assert post(client, {**PUSH, **SILENT, "message_type": None, name: "BACKGROUND"}).status_code == 200
    assert accepted(ports).shared.fields["push_type"] == "BACKGROUND"


def test_an_ad_travels_with_whom_to_ask_and_how_to_refuse(client: Any, ports: Any) -> None:
    ports.at_ms += 10 * 3_600_000  # 22:00: whether the token agreed to the night is asked at dispatch
    assert post(client, {**PUSH, **AD}).status_code == 200
    assert accepted(ports).shared.fields == {"app_id": "shop-app", "push_type": "ALERT", **AD}
    assert accepted(ports).lane == "ad"


def test_a_list_has_a_target_a_row(client: Any, ports: Any) -> None:
    rows = [{"message_id": f"r{n}", "target": {"app_user_id": f"u{n}"}} for n in range(3)]
    rows += [{"message_id": "r3", "target": {}}, {"message_id": "r4", "target": {"token": TOKEN}}, {"message_id": "r5"}]
    rows += [{"message_id": "r6", "target": {"topic": "a", "app_user_id": "b"}}, {"message_id": "r7", "target": {"platform": "X"}}]
    body = {n: v for n, v in PUSH.items() if n not in {"message_id", "target"}} | {"campaign_id": "c1", "receiver_list": rows}
    answer = post(client, body, MANY).json()["data"]
    assert (answer["accepted"], answer["rejected"]) == (3, 5)
    assert [(e["index"], e["code"]) for e in answer["errors"]] == [(3, "2020"), (4, "2020"), (5, "2020"), (6, "1400"), (7, "1400")]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"message_type": None}, "message_type", "2020"),
    ({"message_type": "SILENT"}, "message_type", "4001"),
    ({"push_type": "BACKGROUND"}, "push_type", "1400"),
    ({"app_id": None}, "app_id", "2020"),
    ({"app_id": "other-app"}, "app_id", "2052"),
    ({"message": None}, "message", "2020"),
    ({"message": "#{n}", "mapping": {}}, "mapping", "2043"),
    ({"message": "#{n}", "mapping": {"n": " "}}, "message", "2020"),
    ({"target": None}, "target", "2020"),
    ({"target": {}}, "target", "2020"),
    ({"target": {"token": TOKEN, "platform": "ANDROID", "topic": "a"}}, "target", "1400"),
    ({"target": {"token": TOKEN}}, "target.platform", "2020"),
    ({"target": {"app_user_id": "u", "platform": "IOS"}}, "target.platform", "1400"),
    ({"target": {"token": "has blanks in", "platform": "IOS"}}, "target.token", "1400"),
    ({"target": {"topic": "a/b"}}, "target.topic", "1400"),
    ({"target": {"app_user_id": "u" * 65}}, "target.app_user_id", "1400"),
    ({"app_id": "apple-app"}, "target.platform", "1400"),
    ({"app_id": "apple-app", "target": {"topic": "news"}}, "target.platform", "1400"),
    ({"title": "가" * 251}, "title", "1400"),
    ({"message": "가" * 1_400}, "message", "2010"),
    ({"message": "#{n}" * 2, "mapping": {"n": "가" * 700}}, "message", "2010"),
    ({"message": "\n" * 2_100 + "a"}, "message", "2010"),  # a line break is two bytes in JSON
    ({"message": "가" * 700, "target": {"topic": "news"}}, "message", "2010"),
    ({"data": {"a": "x" * 3_000, "b": "x" * 1_100}}, "message", "2010"),
    ({"data": {"a": 1}}, "data.a", "1400"),
    ({"data": {"from": "x"}}, "data.from", "1400"),
    ({"data": {"google.x": "x"}}, "data.google.x", "1400"),
    ({"data": {"GCM": "x"}}, "data.GCM", "1400"),
    ({"data": {"aps": "x"}}, "data.aps", "1400"),
    ({"data": {"#": "#{a"}}, "data.#", "2042"),
    ({"data": {str(n): "x" for n in range(51)}}, "data", "1400"),
    ({"image_url": "http://shop.example/1.png"}, "image_url", "1400"),
    ({"link_url": "a" * 501}, "link_url", "1400"),
    ({"badge": -1}, "badge", "1400"),
    ({"badge": "1"}, "badge", "1400"),
    ({"ttl": 2_419_201}, "ttl", "1400"),
    ({"priority": "URGENT"}, "priority", "1400"),
    ({"collapse_key": "가" * 22}, "collapse_key", "1400"),
    ({"ad_flag": "Y", "contact": "1544-1234"}, "remove_guide", "2061"),
    ({"message": "(광고) 세일", "remove_guide": "설정"}, "contact", "2061"),
    ({"send_class": "ad", "contact": "1"}, "remove_guide", "2061"),
    ({**AD, "target": {"topic": "news"}}, "target.topic", "1400"),
    ({**SILENT, "title": "제목"}, "title", "1400"),
    ({**SILENT, "badge": 0}, "badge", "1400"),
    ({**SILENT, "data": None}, "data", "2020"),
    ({**SILENT, **AD}, "ad_flag", "1400"),
    ({"fallback": {"type": "SMS", "callback": "15441234"}}, "phone_number", "2020"),
    ({"phone_number": "02-123-4567"}, "phone_number", "2050"),
    ({"sender_key": "x"}, "sender_key", "1400"),
]


@pytest.mark.parametrize(("change", "field", "code"), BAD, ids=lambda x: str(x)[:60])
def test_bad_pushes(client: Any, ports: Any, change: dict[str, Any], field: str, code: str) -> None:
    response = post(client, {**PUSH, **change})
    body = response.json()
    assert response.status_code == 400 and not ports.accepted
    assert (field, code) in [(e["field"], e["code"]) for e in body["errors"]], body
    assert TOKEN not in response.text


def test_all_faults_come_at_once(client: Any) -> None:
    body = {**PUSH, "app_id": "other-app", "badge": -1, "data": {"from": "x"}, "target": {}, "message": None}
    fields = {e["field"] for e in post(client, body).json()["errors"]}
    assert fields >= {"app_id", "badge", "data.from", "target", "message"}


def test_a_fallback_to_a_text_finds_the_telephone(client: Any, ports: Any) -> None:
    body = {**PUSH, "phone_number": "010-2345-6789", "fallback": {"type": "SMS", "callback": "15441234"}}
    assert post(client, body).status_code == 200
    assert accepted(ports).row.also == {"phone": "01023456789"}


@pytest.mark.parametrize("app_id", ["droid-app", "demo-app"])
def test_ios_goes_by_fcm_and_an_app_without_keys_is_there_to_try(client: Any, app_id: str) -> None:
    assert post(client, {**PUSH, "app_id": app_id, "target": {"token": "a1" * 32, "platform": "IOS"}}).status_code == 200


@pytest.mark.parametrize("characters", [1_300, 1_350])
def test_what_intake_lets_in_the_provider_lets_out(client: Any, ports: Any, characters: int) -> None:
    response = post(client, {**PUSH, **AD, "message": "가" * characters, "target": {"app_user_id": "u"}})
    size = max(
        rules.size(rules.rendered("제목", "가" * characters, {"push_type": "ALERT", **AD}, {}), service, platform)
        for service, platform in (("fcm", "ANDROID"), ("apns", "IOS"))
    )
    assert (response.status_code == 200) == (size <= rules.PAYLOAD_BYTES)
