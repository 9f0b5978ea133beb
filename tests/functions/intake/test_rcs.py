"""RCS requests: limits of each kind, brand and chatbot, buttons, the marks of advertisements, and what travels on."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/ims/acmemass/rcs/sendMessage"
URL = {"type": "URL", "name": "보기", "url": "https://example.com/#{name}"}
STEP = {"type": "SMS", "callback": "15441234"}
OPT_OUT = "무료수신거부 0801234567"


def body(kind: str = "SMS", **more: Any) -> dict[str, Any]:
    start = {"message_id": "r1", "message_type": kind, "brand_key": "BR.acme", "callback": "1544-1234", "phone_number": "01023456789"}
    return {**start, "body": {"description": "#{name}님 안녕하세요"}, "mapping": {"name": "하나"}, **more}


def faults(client: Any, request: dict[str, Any]) -> list[tuple[str, str]]:
    answer = client.post(PATH, json={name: value for name, value in request.items() if value is not None}).json()
    return [(e["field"], e["code"]) for e in answer.get("errors", [])]


GOOD = [
    body(),
    body(message="안녕", body=None),
    body("SMS", buttons=[URL]),
    body("LMS", body={"title": "제목", "description": "가" * 1_300}, buttons=[URL] * 3),
    body("MMS", body={"title": "제목", "description": "본문", "media": "card"}, buttons=[URL] * 2),
    body("TEMPLATE", messagebase_id="TPL.01", body={"description": "가" * 90}),
    body("TEMPLATE", messagebase_id="TPL.01", body={"description": "가" * 500, "media": "card"}) | {"messagebase_id": "TPL-01"},
    body("LMS", header="1", footer="0801234567"),
    body("LMS", body={"description": f"(광고)가게 세일\n{OPT_OUT}"}),
    body("LMS", buttons=[{"type": "DIAL", "name": "전화", "phone_number": "15441234"}]),
    body(fallback=[{"type": "AUTO", "callback": "15441234", "message": "대신 갑니다"}], expiry_option="3"),
]


@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_what_a_kind_may_hold_is_accepted(client: Any, ports: Any, request_: dict[str, Any]) -> None:
    request_ = {**request_, "messagebase_id": request_.get("messagebase_id", "").replace(".", "-")}
    assert faults(client, request_) == []
    assert set(ports.accepted) == {"r1"}


BAD: list[tuple[dict[str, Any], str, str]] = [
    (body(brand_key="BR.other"), "brand_key", "2052"),
    (body(brand_key=None), "brand_key", "2020"),
    (body(callback="15881234"), "callback", "2051"),
    (body(callback="01055501234"), "callback", "2051"),
    (body(phone_number="0212345678"), "phone_number", "2050"),
    (body("FAX"), "message_type", "4001"),
    (body(body={"description": "가" * 101}), "body.description", "2010"),
    (body(body={"description": "가" * 95 + "#{name}"}, mapping={"name": "일이삼사오육"}), "body.description", "2010"),
    (body(message="둘"), "body.description", "1400"),
    (body(body={"description": "안녕", "title": "제목"}), "body.title", "1400"),
    (body(body={"description": "안녕", "media": "card"}), "body.media", "4002"),
    (body(body={"description": "안녕", "url": "x"}), "body.url", "1400"),
    (body(body=None), "message", "2020"),
    (body(buttons=[URL, URL]), "buttons", "4002"),
    (body(buttons=[{**URL, "name": "가" * 18}]), "buttons.0.name", "1400"),
    (body(buttons=[{"type": "URL", "name": "보기"}]), "buttons.0.url", "4002"),
    (body(buttons=[{"type": "TEL", "name": "전화"}]), "buttons.0.type", "4000"),
    (body("LMS", body={"title": "가" * 31, "description": "안녕"}), "body.title", "1400"),
    (body("LMS", body={"description": "가" * 1_301}), "body.description", "2010"),
    (body("MMS"), "body.media", "2020"),
    (body("MMS", body={"description": "안녕", "media": "picture1"}), "body.media", "2070"),
    (body("MMS", body={"description": "안녕", "media": "nobody"}), "body.media", "2070"),
    (body("TEMPLATE"), "messagebase_id", "2020"),
    (body("TEMPLATE", messagebase_id="T1", body={"description": "가" * 91}), "body.description", "2010"),
    (
        body("TEMPLATE", messagebase_id="T1", body={"description": "안녕", "media": "card"}, fallback=STEP),
        "fallback",
        "1400",
    ),
    (body("LMS", header="1"), "footer", "2061"),
    (body("LMS", footer="0801234567"), "footer", "1400"),
    (body("LMS", ad_flag="Y"), "message", "2061"),
    (body("LMS", body={"description": "(광고)가게 세일"}), "message", "2061"),
    (body(expiry_option="5"), "expiry_option", "1400"),
    (body(mapping={}), "mapping", "2043"),
]


@pytest.mark.parametrize(("request_", "field", "code"), BAD, ids=range(len(BAD)))
def test_what_it_may_not_hold_is_named(client: Any, ports: Any, request_: dict[str, Any], field: str, code: str) -> None:
    assert (field, code) in faults(client, request_)
    assert not ports.accepted


def test_what_travels_has_the_text_once_and_the_common_format(client: Any, ports: Any) -> None:
    assert faults(client, body("LMS", body={"title": "제목", "description": "#{name}님"}, buttons=[URL])) == []
    shared = ports.accepted["r1"][1].shared
    assert (shared.text, shared.callback, shared.message_type) == ("#{name}님", "15441234", "LMS")
    assert shared.fields == {
        "brand_key": "BR.acme",
        "messagebase_id": "SL000000",
        "expiry_option": "1",
        "body": {"title": "제목"},
        "buttons": [URL],
    }


def test_an_advertisement_goes_in_its_lane(client: Any, ports: Any) -> None:
    assert faults(client, body("LMS", header="1", footer="0801234567")) == []
    assert ports.accepted["r1"][1].lane == "ad"


def test_the_same_message_written_either_way_is_the_same(client: Any) -> None:
    assert faults(client, body(body={"description": "안녕"}, mapping=None)) == []
    assert client.post(PATH, json=body(message="안녕", body={}, mapping={})).headers["x-ims-replayed"] == "true"
