"""email at intake: addresses, headers, limits, what an ad must carry, and the link to opt out."""

from __future__ import annotations

from typing import Any

import pytest

from functions.intake.validate import read_many, read_single
from ims.lanes import Lane
from ims.rules.faults import Rejections
from ims.topics import Channel
from tests.functions.intake.conftest import LINK_TOKEN

AD = {"subject": "(광고) 봄 세일", "message": "<p>세일 <a href='#{unsubscribe_url}'>수신거부</a></p>", "ad_flag": "Y", "mapping": {}}


def body(given: dict[str, Any]) -> bytes:
    import json

    return json.dumps(given).encode()


def faults(asker: Any, given: dict[str, Any], key: str = "acmemass") -> dict[str, str]:
    with pytest.raises(Rejections) as caught:
        read_single(Channel.EMAIL, body(given), asker(key))
    return {fault.field: fault.code for fault in caught.value.errors}


def test_what_is_accepted_travels_normalised_and_unrendered(asker: Any, email: dict[str, Any]) -> None:
    more = {"cc": ["A@Example.com"], "bcc": ["b@한글.example"], "reply_to": "CS@acme.example", "from_name": "가게", "to_name": "홍길동"}
    accepted = read_single(Channel.EMAIL, body(email | more), asker())
    assert (accepted.row.to, accepted.row.to_kind, accepted.row.fields) == ("hong@example.com", "email", {"to_name": "홍길동"})
    assert accepted.shared.fields == {
        "from_email": "no-reply@mail.acme.example",
        "from_name": "가게",
        "reply_to": "cs@acme.example",
        "subject": "#{name}님, 주문",
        "cc": ["a@example.com"],
        "bcc": ["b@xn--bj0bj06e.example"],
    }
    assert (accepted.shared.text, accepted.row.mapping, accepted.lane) == ("<p>#{name}님</p>", {"name": "홍길동"}, Lane.MASS)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"to_email": "홍@example.com"}, "to_email", "2050"),
        ({"to_email": "a@b"}, "to_email", "2050"),
        ({"to_email": '"a b"@example.com'}, "to_email", "2050"),
        ({"to_email": "a@[127.0.0.1]"}, "to_email", "2050"),
        ({"to_email": "a@example.com, b@example.com"}, "to_email", "2050"),
        ({"to_email": "a@example.com\r\nBcc: x@example.com"}, "to_email", "1400"),
        ({"from_email": "a@other.example"}, "from_email", "2051"),
        ({"from_email": "a@mail.acme.example\n"}, "from_email", "1400"),
        ({"from_name": "가게\r\nBcc: x@example.com"}, "from_name", "1400"),
        ({"from_name": "가게\u2028"}, "from_name", "1400"),
        ({"from_name": "#{name}"}, "from_name", "1400"),
        ({"to_name": "\u0000"}, "to_name", "1400"),
        ({"reply_to": "nobody"}, "reply_to", "2050"),
        ({"cc": ["a@example.com", "bad"]}, "cc.1", "2050"),
        ({"cc": ["a@example.com"] * 15, "bcc": ["b@example.com"] * 6}, "bcc", "1400"),
        ({"cc": ["a@example.com"] * 21}, "cc", "1400"),
        ({"subject": ""}, "subject", "2020"),
        ({"subject": "a\r\nBcc: x@example.com"}, "subject", "1400"),
        ({"subject": "#{name}", "mapping": {"name": "a\nBcc: x@example.com"}}, "subject", "1400"),
        ({"subject": "#{name}", "mapping": {"name": "a" * 256}}, "subject", "1400"),
        ({"subject": "#{other}"}, "mapping", "2043"),
        ({"message": "가" * 100_001}, "message", "2010"),
        ({"message": ""}, "message", "2020"),
        ({"message": "#{name}", "mapping": {"name": " "}}, "message", "2020"),
        ({"message_type": "SMS"}, "message_type", "4001"),
        ({"attach_file_list": ["f1"]}, "attach_file_list", "1400"),
        ({"fallback": {"type": "SMS", "callback": "15441234", "message": "a"}}, "phone_number", "2020"),
        ({"fallback": {"type": "SMS", "callback": "15441234"}, "phone_number": "01023456789"}, "fallback.0.message", "2020"),
        ({"phone_number": "0212345678"}, "phone_number", "2050"),
    ],
)
def test_what_is_wrong_is_named(asker: Any, email: dict[str, Any], change: dict[str, Any], field: str, code: str) -> None:
    assert faults(asker, email | change) == {field: code}


def test_all_that_is_wrong_is_told_at_once(asker: Any, email: dict[str, Any]) -> None:
    wrong = {"to_email": "x", "from_email": "y@z.example", "reply_to": "q", "subject": "", "cc": ["no"]}
    found = faults(asker, email | wrong)
    assert found == {"to_email": "2050", "from_email": "2051", "reply_to": "2050", "subject": "2020", "cc.0": "2050"}


@pytest.mark.parametrize("how", [{"ad_flag": "Y"}, {"send_class": "ad"}, {"subject": "(광고) 세일"}])
def test_an_ad_is_marked_and_can_be_refused(asker: Any, email: dict[str, Any], how: dict[str, Any]) -> None:
    found = faults(asker, email | {"subject": "세일", "message": "사세요", "mapping": {}} | how)
    assert found == ({"message": "2061"} if "subject" in how else {"subject": "2061", "message": "2061"})


def test_an_ad_may_be_sent_at_night_and_holds_our_link(asker: Any, email: dict[str, Any]) -> None:
    night = asker("acmead").now_ms + 11 * 3_600_000  # 23:00 in Seoul
    accepted = read_single(Channel.EMAIL, body(email | AD), asker("acmead", night))
    assert accepted.lane is Lane.AD and not accepted.too_late
    assert "#{unsubscribe_url}" in (accepted.row.text or "")


def test_a_text_may_follow_a_mail_that_fails(asker: Any, email: dict[str, Any]) -> None:
    more = {"phone_number": "010-2345-6789", "fallback": {"type": "SMS", "callback": "15441234", "message": "#{name}님"}}
    accepted = read_single(Channel.EMAIL, body(email | more), asker())
    assert accepted.row.also == {"phone": "01023456789"} and accepted.shared.fallback[0].text == "#{name}님"


def test_a_value_cannot_make_an_ad_of_what_is_none(asker: Any, email: dict[str, Any]) -> None:
    given = email | {"subject": "#{name}", "mapping": {"name": "(광고) 세일"}}
    assert read_single(Channel.EMAIL, body(given), asker()).lane is Lane.AD


def test_rows_of_a_list(asker: Any, email: dict[str, Any]) -> None:
    shared = {k: v for k, v in email.items() if k not in ("message_id", "to_email", "mapping")}
    rows = [
        {"message_id": "r1", "to_email": "a@example.com", "to_name": "가", "mapping": {"name": "가"}},
        {"message_id": "r2", "to_email": "nobody", "mapping": {"name": "나"}},
        {"message_id": "r3", "to_email": "c@example.com", "mapping": {"name": "줄\n바꿈"}},
        {"message_id": "r4", "to_email": "d@example.com", "to_name": "a\nb", "mapping": {"name": "라"}},
        {"message_id": "r5", "to_email": "e@example.com"},
    ]
    many = read_many(Channel.EMAIL, body(shared | {"campaign_id": "c1", "receiver_list": rows}), asker())
    (part,) = many.slices()
    assert [(row.message_id, row.to, row.fields) for _, row, _ in part.rows] == [("r1", "a@example.com", {"to_name": "가"})]
    assert [(e.index, e.code) for e in part.errors] == [(1, "2050"), (2, "1400"), (3, "1400"), (4, "2043")]
    with pytest.raises(Rejections) as caught:
        read_many(Channel.EMAIL, body(shared | {"campaign_id": "c1", "cc": ["x@example.com"], "receiver_list": rows}), asker())
    assert caught.value.errors[0].field == "cc"


def test_the_link_shows_a_page_and_refuses_only_when_its_button_is_pressed(client: Any, ports: Any) -> None:
    path = f"/ims/unsubscribe/{LINK_TOKEN}"
    page = client.get(path)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html") and ports.refused == []
    assert "script" not in page.text and page.headers["content-security-policy"].startswith("default-src 'none'")
    done = client.post(path, content=b"List-Unsubscribe=One-Click", headers={"content-type": "application/x-www-form-urlencoded"})
    assert done.status_code == 200 and ports.refused == [LINK_TOKEN]


def test_a_link_that_is_not_ours_is_an_unknown_path(client: Any, ports: Any) -> None:
    for token in ("k1." + "f" * 60, "k1.short", "nodot" * 10, LINK_TOKEN + "/x"):
        for answer in (client.get(f"/ims/unsubscribe/{token}"), client.post(f"/ims/unsubscribe/{token}")):
            assert (answer.status_code, answer.json()["code"]) == (404, "1404")
    assert ports.refused == []
