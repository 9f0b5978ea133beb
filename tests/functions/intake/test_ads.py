"""Advertisements at intake: the marks of every text message that may come of one (정보통신망법 제50조④, 시행령 별표 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

AD = "(광고)하나가게 봄 할인 무료수신거부 080-123-4567"
_STEP = {"type": "LMS", "callback": "15441234"}
_PLAIN = {"message": "봄 할인"}


@pytest.mark.parametrize(
    ("key", "change", "fields"),
    [
        ("acmead", {"message": AD}, []),
        ("acmead", _PLAIN, ["message"]),
        ("acmemass", _PLAIN, []),
        ("acmemass", {**_PLAIN, "ad_flag": "Y"}, ["message"]),
        ("acmemass", {**_PLAIN, "send_class": "ad"}, ["message"]),
        ("acmemass", {"message": "(광고)하나가게 봄 할인"}, ["message"]),
        ("acmemass", {**_PLAIN, "message_type": "LMS", "title": "(광고)하나가게"}, ["message"]),
        ("acmemass", {"message": "#{mark} 봄 할인", "mapping": {"mark": AD}}, ["message"]),
        ("acmemass", {"message": f"{AD[:-8]}#{{end}}", "mapping": {"end": AD[-8:]}}, ["message"]),
        ("acmemass", {"message": "#{name}", "template_code": "HELLO", "mapping": {"name": "하나"}, "ad_flag": "Y"}, ["message"]),
        ("acmead", {"message": "", "template_code": "HELLO", "mapping": {"name": "하나"}}, ["message"]),
        ("acmead", {"message": AD, "fallback": [_STEP]}, []),
        ("acmead", {"message": AD, "fallback": [{**_STEP, **_PLAIN}, {**_STEP, "type": "SMS"}]}, ["fallback.0.message"]),
        ("acmead", {**_PLAIN, "fallback": [_STEP, {**_STEP, "message": AD}, {**_STEP, **_PLAIN}]}, ["message"]),
        ("acmemass", {**_PLAIN, "fallback": [{**_STEP, "message": AD}]}, ["message"]),
    ],
    ids=str,
)
def test_a_text_of_an_ad_is_marked(client: Any, text: dict[str, Any], key: str, change: dict[str, Any], fields: list[str]) -> None:
    answer = client.post(f"/ims/{key}/mt/sendMessage", json={**text, **change}).json()
    assert [(e["field"], e["code"]) for e in answer.get("errors", [])] == [(field, "2061") for field in fields]
    assert answer["code"] == ("2061" if fields else "0000")


def test_a_campaign_of_ads_is_marked_for_all_its_rows_at_once(client: Any, text: dict[str, Any]) -> None:
    rows = [{"message_id": f"r{n}", "phone_number": f"0105550{n:04d}"} for n in range(3)]
    shared = {name: text[name] for name in ("message_type", "callback", "message")} | {"campaign_id": "c1", "receiver_list": rows}
    answer = client.post("/ims/acmead/mt/sendMessages", json=shared)
    assert (answer.status_code, answer.json()["code"]) == (400, "2061")
    answer = client.post("/ims/acmead/mt/sendMessages", json={**shared, "message": AD})
    assert answer.json()["data"]["accepted"] == 3


def test_an_ad_by_e_mail_marks_the_text_that_follows_it(client: Any, email: dict[str, Any]) -> None:
    ad = {"subject": "(광고) 봄 세일", "message": "<a href='#{unsubscribe_url}'>수신거부</a>", "mapping": {}, "ad_flag": "Y"}
    mail = {**email, **ad, "phone_number": "01055500001"}
    for step, fields in (({**_STEP, "message": AD}, []), ({**_STEP, **_PLAIN}, ["fallback.0.message"])):
        answer = client.post("/ims/acmead/email/sendMessage", json={**mail, "message_id": f"e{len(fields)}", "fallback": step}).json()
        assert [e["field"] for e in answer.get("errors", []) if e["code"] == "2061"] == fields, answer


@pytest.mark.parametrize(
    ("choices", "clock", "code"),
    [
        ({}, "20:59:59", "0000"),
        ({}, "21:00:00", "2060"),
        ({"consent": "own"}, "21:00:00", "2060"),
        ({"consent": "required"}, "21:00:00", "0000"),
        ({"consent": "required"}, "07:59:59", "0000"),
    ],
)
def test_where_consents_are_kept_the_night_is_each_recipient_s(
    client: Any, ports: Any, text: dict[str, Any], choices: dict[str, str], clock: str, code: str
) -> None:
    """정보통신망법 제50조③: who agreed to the night is known right before the call."""
    ports.choices["acme"] = choices
    ports.at_ms = round(datetime.fromisoformat(f"2028-02-29T{clock}+09:00").timestamp() * 1000)
    assert client.post("/ims/acmead/mt/sendMessage", json={**text, "message": AD}).json()["code"] == code
