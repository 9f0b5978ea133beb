"""The table of hand-made bad cases: every one a 4xx with its code, and nothing accepted."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

_BUTTON = {"type": "WL", "name": "보기", "url_mobile": "https://example.com"}
_ITEM = {"title": "주문번호", "description": "#{code}"}
_SUMMARY = {"title": "합계", "description": "만원쯤"}
_HIGHLIGHT = {"title": "가" * 22, "description": "a"}

# (changes to a good text, field of the first fault, its code)
TEXTS: list[tuple[dict[str, Any], str, str]] = [
    ({"message_id": None}, "message_id", "2020"),
    ({"message_id": ""}, "message_id", "2020"),
    ({"message_id": 7}, "message_id", "1400"),
    ({"message_id": "한글"}, "message_id", "1400"),
    ({"message_id": "a" * 31}, "message_id", "1400"),
    ({"message_id": "a\n"}, "message_id", "1400"),
    ({"message_type": None}, "message_type", "2020"),
    ({"message_type": "MMS"}, "attach_file_list", "2020"),
    ({"message_type": "FAX"}, "message_type", "4001"),
    ({"message_type": "AT"}, "message_type", "4001"),
    ({"message_type": ["SMS"]}, "message_type", "4001"),
    ({"message": None}, "message", "2020"),
    ({"message": ""}, "message", "2020"),
    ({"message": "#{a}", "mapping": {"a": " "}}, "message", "2020"),
    ({"message": "가" * 46}, "message", "2010"),
    ({"message": "가" * 5000}, "message", "2010"),
    ({"message": "가" * 1001, "message_type": "LMS"}, "message", "2010"),
    ({"message": "가" * 1001, "message_type": "AUTO"}, "message", "2010"),
    ({"message": "안녕😀"}, "message", "2011"),
    ({"message": "#{a}", "mapping": {"a": "😀"}}, "message", "2011"),
    ({"message": "a\u0000b"}, "message", "1400"),
    ({"message": {"a": {"b": {}}}}, "message", "1400"),
    ({"message": "#{a} #{b}", "mapping": {"a": "1"}}, "mapping", "2043"),
    ({"message": "#{a"}, "message", "2042"),
    ({"mapping": {"a": "#{b}"}}, "mapping.a", "1400"),
    ({"mapping": {"a": True}}, "mapping.a", "1400"),
    ({"mapping": {"a": None}}, "mapping.a", "1400"),
    ({"mapping": {"a": 10**30}}, "mapping.a", "1400"),
    ({"mapping": []}, "mapping", "1400"),
    ({"mapping": {str(i): "" for i in range(41)}}, "mapping", "1400"),
    ({"title": "제목"}, "title", "1400"),
    ({"title": "가" * 26, "message_type": "LMS"}, "title", "1400"),
    ({"title": "가\n", "message_type": "LMS"}, "title", "1400"),
    ({"phone_number": None}, "phone_number", "2020"),
    ({"phone_number": "02-123-4567"}, "phone_number", "2050"),
    ({"phone_number": "+1 202 555 0100"}, "phone_number", "2050"),
    ({"phone_number": 1023456789}, "phone_number", "1400"),
    ({"callback": "0212345678"}, "callback", "2051"),
    ({"callback": "😀"}, "callback", "2051"),
    ({"template_code": "NONE"}, "template_code", "2040"),
    ({"bill_code": "b" * 21}, "bill_code", "1400"),
    ({"send_class": "vip"}, "send_class", "1400"),
    ({"ad_flag": "y"}, "ad_flag", "1400"),
    ({"expires_at": "2027-03-02T13:00:00"}, "expires_at", "1400"),
    ({"expires_at": "2027-02-30T13:00:00+09:00"}, "expires_at", "1400"),
    ({"expires_at": "2027-03-02T11:59:59+09:00"}, "expires_at", "1400"),
    ({"callback_url": "ftp://hook.example.com/ims"}, "callback_url", "1400"),
    ({"callback_url": "https://hook.example.com.evil.net/ims"}, "callback_url", "1400"),
    ({"callback_url": "https://hook.example.com/imsx"}, "callback_url", "1400"),
    ({"callback_url": "https://u:p@hook.example.com/ims"}, "callback_url", "1400"),
    ({"callback_url": "http://[::1"}, "callback_url", "1400"),
    ({"fallback": {"type": "SMS"}}, "fallback.0.callback", "2020"),
    ({"fallback": {"type": "AT", "sender_key": "x"}}, "fallback.0.type", "1400"),
    ({"fallback": [{"type": "TELEX", "callback": "15441234"}]}, "fallback.0.type", "4001"),
    ({"fallback": {"type": "SMS", "callback": "0212345678"}}, "fallback.0.callback", "2051"),
    ({"fallback": {"type": "SMS", "callback": "15441234", "message": "가" * 46}}, "fallback.0.message", "2010"),
    ({"fallback": {"type": "SMS", "callback": "15441234", "message": "#{z}"}}, "mapping", "2043"),
    ({"fallback": [{"type": "SMS", "callback": "15441234"}] * 5}, "fallback", "1400"),
    ({"fallback": "SMS"}, "fallback", "1400"),
    ({"reserved_at": "2027-03-03T12:00:00+09:00"}, "reserved_at", "1400"),
    ({"app_user_id": "1"}, "app_user_id", "1400"),
    ({"attach_file_list": ["picture1"]}, "attach_file_list", "4002"),
    ({"message_type": "MMS", "attach_file_list": [f"picture{n}" for n in range(4)]}, "attach_file_list", "1400"),
    ({"message_type": "MMS", "attach_file_list": ["picture1", "picture1"]}, "attach_file_list", "2070"),
    ({"message_type": "MMS", "attach_file_list": ["nobody", "picture1"]}, "attach_file_list.0", "2070"),
    ({"message_type": "MMS", "attach_file_list": ["picture1", "theirs"]}, "attach_file_list.1", "2070"),
    ({"message_type": "MMS", "attach_file_list": ["card"]}, "attach_file_list.0", "2070"),
    ({"message_type": "MMS", "attach_file_list": ["ending"]}, "attach_file_list.0", "2070"),
    ({"message_type": "MMS", "attach_file_list": ["../../etc/passwd"]}, "attach_file_list.0", "1400"),
    ({"message_type": "MMS", "attach_file_list": ["picture1"], "message": "가" * 1001}, "message", "2010"),
    ({"nonsense": 1}, "nonsense", "1400"),
]

ALIMTALKS: list[tuple[dict[str, Any], str, str]] = [
    ({"message_type": "SMS"}, "message_type", "4001"),
    ({"sender_key": None}, "sender_key", "2020"),
    ({"sender_key": "unknown"}, "sender_key", "2052"),
    ({"template_code": None}, "template_code", "2020"),
    ({"template_code": "NONE"}, "template_code", "2040"),
    ({"template_code": "BARE"}, "message", "2020"),
    ({"message": "가" * 1301}, "message", "2010"),
    ({"mapping": {"name": "", "code": "1"}}, "mapping", "2043"),
    ({"title": "가" * 51}, "title", "1400"),
    ({"header": "가" * 17}, "header", "1400"),
    ({"country_code": "1"}, "country_code", "1400"),
    ({"attachment": {"button": [_BUTTON] * 6}}, "attachment.button", "4002"),
    ({"attachment": {"button": [{**_BUTTON, "type": "ZZ"}]}}, "attachment.button.0.type", "4000"),
    ({"attachment": {"button": [{"type": "WL", "name": "보기"}]}}, "attachment.button.0.url_mobile", "4002"),
    ({"attachment": {"button": [{**_BUTTON, "type": "AL"}]}}, "attachment.button.0", "4002"),
    ({"attachment": {"button": [{**_BUTTON, "name": "#{name}"}]}}, "attachment.button.0.name", "4002"),
    ({"attachment": []}, "attachment", "4002"),
    ({"supplement": {"quick_reply": [{"type": "ZZ", "name": "x"}]}}, "supplement.quick_reply.0.type", "4003"),
    ({"supplement": {"quick_reply": 1}}, "supplement.quick_reply", "4003"),
    ({"ad_flag": "Y"}, "message", "2061"),
    ({"message": "(광고)가게"}, "message", "2061"),
    ({"message": "#{name}", "mapping": {"name": "(광고) 가게"}}, "message", "2061"),
    ({"send_class": "ad"}, "send_class", "1400"),
    ({"fallback": {"type": "AUTO", "callback": "15441234", "message": "(광고)가게"}}, "message", "2061"),
    ({"message": "인증 😀", "fallback": {"type": "SMS", "callback": "15441234"}}, "fallback.0.message", "2011"),
    ({"app_user_id": "가"}, "app_user_id", "1400"),
    ({"phone_number": None}, "phone_number", "2020"),
    ({"phone_number": None, "app_user_id": "u1", "fallback": {"type": "SMS", "callback": "15441234"}}, "phone_number", "2020"),
    ({"title": "가" * 51}, "title", "1400"),
    ({"header": "#{name}", "mapping": {"name": "가" * 17, "code": 1}}, "header", "1400"),
    ({"attachment": {"button": [{"type": "TN", "name": "전화"}]}}, "attachment.button.0.tel_number", "4002"),
    ({"attachment": {"button": [{"type": "AC", "name": "추가"}]}}, "attachment.button.0.name", "4002"),
    ({"attachment": {"button": [_BUTTON] * 3}, "supplement": {"quick_reply": [_BUTTON]}}, "attachment.button", "4002"),
    ({"supplement": {"quick_reply": [{"type": "DS", "name": "배송"}]}}, "supplement.quick_reply.0.type", "4003"),
    ({"attachment": {"item": {"list": [_ITEM]}}}, "attachment.item.list", "4002"),
    ({"attachment": {"item": {"list": [_ITEM] * 2}}, "message": "가" * 701}, "message", "2010"),
    ({"attachment": {"item": {"list": [_ITEM] * 2, "summary": _SUMMARY}}}, "attachment.item.summary.description", "4002"),
    ({"message_type": "AI", "attachment": {"item_highlight": _HIGHLIGHT}}, "attachment.item_highlight.title", "4002"),
]


def _post(client: Any, path: str, body: dict[str, Any], **headers: str) -> Any:
    content = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
    return client.post(path, content=content, headers={"content-type": "application/json", **headers})


def _check(response: Any, field: str, code: str, ports: Any) -> None:
    body = response.json()
    assert 400 <= response.status_code < 500
    assert body["code"] == body["errors"][0]["code"] == code, body
    assert body["errors"][0]["field"] == field, body
    assert not ports.accepted


@pytest.mark.parametrize(("change", "field", "code"), TEXTS, ids=str)
def test_bad_texts(client: Any, ports: Any, text: dict[str, Any], change: dict[str, Any], field: str, code: str) -> None:
    _check(_post(client, "/ims/acmerealtime/mt/sendMessage", {**text, **change}), field, code, ports)


@pytest.mark.parametrize(("change", "field", "code"), ALIMTALKS, ids=str)
def test_bad_alimtalks(client: Any, ports: Any, alimtalk: dict[str, Any], change: dict[str, Any], field: str, code: str) -> None:
    _check(_post(client, "/ims/acmerealtime/at/sendMessage", {**alimtalk, **change}), field, code, ports)


BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{} {}",
    b"\xef\xbb\xbf{}",
    b'{"message":"\xff\xfe"}',
    b'{"message":"\x00"}',
    b'{"message":"\\ud800"}',
    b'{"message_id":NaN}',
    b'{"message":' + b"9" * 10_000 + b"}",
    b'{"mapping":{"a":1e999}}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"mapping":' + b'{"a":' * 500 + b"1" + b"}" * 501,
    b"{" + b",".join(b'"f%d":1' % i for i in range(50_000)) + b"}",
    b'{"receiver_list":' + b"[" * 100_000,
    b'{"receiver_list":{},"campaign_id":"c"}',
    b'{"receiver_list":null}',
]


@pytest.mark.parametrize("many", ["", "s"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
def test_bodies_that_are_no_request(client: Any, ports: Any, body: bytes, many: str) -> None:
    for channel in ("mt", "at"):
        response = client.post(f"/ims/acmemass/{channel}/sendMessage{many}", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert response.json()["code"] in {"1400", "2020"}
        assert len(response.content) < 20_000
    assert not ports.accepted


def test_all_errors_are_named_at_once_in_both_languages(client: Any, text: dict[str, Any]) -> None:
    bad = {**text, "message_id": None, "callback": "0212345678", "phone_number": "1", "message": "가" * 46, "x": 1, "reserved_at": "y"}
    korean = _post(client, "/ims/acmemass/mt/sendMessage", bad)
    english = _post(client, "/ims/acmemass/mt/sendMessage", bad, **{"accept-language": "en-US,en;q=0.9,ko;q=0.5"})
    expected = [("message_id", "2020"), ("x", "1400"), ("reserved_at", "1400"), ("callback", "2051"), ("message", "2010")]
    expected.append(("phone_number", "2050"))
    for response in (korean, english):
        assert [(e["field"], e["code"]) for e in response.json()["errors"]] == expected
        assert response.json()["code"] == "2020"
    assert "필수" in korean.json()["message"] and "아직 지원하지 않는" in korean.json()["errors"][2]["message"]
    assert "mandatory" in english.json()["message"] and "not served yet" in english.json()["errors"][2]["message"]


def test_of_a_repeated_key_the_last_counts(client: Any, ports: Any) -> None:
    body = b'{"message_id":"a","message_id":"b","message_type":"SMS","callback":"15441234","phone_number":"01023456789","message":"x"}'
    assert client.post("/ims/acmemass/mt/sendMessage", content=body, headers={"content-type": "application/json"}).json()["data"] == "b"
    assert set(ports.accepted) == {"b"}


def test_decomposed_hangul_is_counted_composed(client: Any, text: dict[str, Any]) -> None:
    body = {**text, "message": unicodedata.normalize("NFD", "가" * 45)}
    assert _post(client, "/ims/acmemass/mt/sendMessage", body).status_code == 200
    again = _post(client, "/ims/acmemass/mt/sendMessage", {**text, "message": "가" * 45})
    assert again.headers["x-ims-replayed"] == "true"


def test_answers_repeat_no_values(client: Any, text: dict[str, Any]) -> None:
    secret = "비밀번호9876"
    body = {**text, "message": secret * 20, "phone_number": "0299998888", "mapping": {"a": f"#{{{secret}"}, "title": secret}
    answer = _post(client, "/ims/acmemass/mt/sendMessage", body).text
    assert secret not in answer and "0299998888" not in answer
