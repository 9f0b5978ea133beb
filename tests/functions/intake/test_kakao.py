"""Brand messages, FriendTalk and the whole of AlimTalk, as intake takes and refuses them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from ims.lanes import Lane

PROFILE = "p" * 40
LINK = "https://shop.example/"
IMAGE = {"img_url": "https://mud-kage.kakao.com/a.jpg"}
BUTTON = {"name": "보기", "type": "WL", "url_mobile": LINK}
ITEM = {"title": "상품", "img_url": IMAGE["img_url"], "url_mobile": LINK}
PRICE = {"title": "사과", "regular_price": 1000}
FEED = {"header": "머리", "message": "#{name}님", "attachment": {"image": IMAGE, "button": [BUTTON]}}
GOODS = {"attachment": {"image": IMAGE, "commerce": PRICE, "button": [BUTTON]}}
AD = "(광고)가게 #{name}님 혜택\n무료수신거부 080-123-4567"

BUBBLES: dict[str, dict[str, Any]] = {
    "TEXT": {"message": "#{name}님께"},
    "IMAGE": {"message": "본문", "attachment": {"image": IMAGE}},
    "WIDE": {"message": "본문", "attachment": {"image": IMAGE}},
    "WIDE_ITEM_LIST": {"header": "머리", "attachment": {"item": {"list": [ITEM] * 3}}},
    "CAROUSEL_FEED": {"carousel": {"list": [FEED, FEED], "tail": {"url_mobile": LINK}}},
    "PREMIUM_VIDEO": {"attachment": {"video": {"video_url": "https://tv.kakao.com/v/1"}}},
    "COMMERCE": {"attachment": {"image": IMAGE, "commerce": PRICE, "button": [BUTTON]}},
    "CAROUSEL_COMMERCE": {"carousel": {"list": [GOODS, GOODS]}},
}


def brand(bubble: str = "TEXT", **change: Any) -> dict[str, Any]:
    body = {"message_id": "b1", "message_type": bubble, "sender_key": PROFILE, "phone_number": "01023456789", "mapping": {"name": "가"}}
    return {name: value for name, value in {**body, **BUBBLES[bubble], **change}.items() if value is not None}


def post(client: Any, body: dict[str, Any], channel: str = "bt", key: str = "acmemass", many: bool = False) -> Any:
    path = f"/ims/{key}/{channel}/sendMessage{'s' if many else ''}"
    return client.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})


def taken(ports: Any, message_id: str = "b1") -> Any:
    return ports.accepted[message_id][1]


@pytest.mark.parametrize("bubble", BUBBLES)
def test_every_bubble_is_accepted_as_an_advertisement(client: Any, ports: Any, bubble: str) -> None:
    assert post(client, brand(bubble)).json()["code"] == "0000"
    accepted = taken(ports)
    assert (accepted.lane, accepted.shared.message_type) == (Lane.AD, bubble)
    shared = accepted.shared
    content = {"header": shared.header, "attachment": shared.attachment, **shared.fields}
    for name in ("header", "attachment", "carousel"):
        assert (content.get(name) or None) == BUBBLES[bubble].get(name)
    assert (shared.fields["send_mode"], shared.fields["targeting"]) == ("free", "I")


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    (brand(message=None), [("message", "2020")]),
    (brand(message="가" * 1301), [("message", "2010")]),
    (brand(message="#{name}" * 2, mapping={"name": "가" * 651}), [("message", "2010")]),
    (brand(message="\n" * 100 + "가"), [("message", "2010")]),
    (brand(message="#{name}", mapping={}), [("mapping", "2043")]),
    (brand("WIDE", message="가" * 77, attachment={}), [("attachment.image", "4002"), ("message", "2010")]),
    (brand(header="머리", carousel={"list": [FEED, FEED]}), [("header", "1400"), ("carousel", "4002")]),
    (brand(attachment={"button": [BUTTON] * 5, "coupon": {"title": "반값", "description": "가" * 13, "url_mobile": LINK}}),
     [("attachment.button", "4002"), ("attachment.coupon.title", "4002"), ("attachment.coupon.description", "4002")]),
    (brand("COMMERCE", attachment={"image": IMAGE, "commerce": {**PRICE, "regular_price": 100_000_000}, "button": [BUTTON]}),
     [("attachment.commerce.regular_price", "4002")]),
    (brand("CAROUSEL_FEED", carousel={"list": [{**FEED, "message": "가" * 181}, FEED]}), [("carousel.list.0.message", "4002")]),
    (brand("IMAGE", attachment={"image": {"img_url": "file:///etc/passwd"}}), [("attachment.image.img_url", "4002")]),
    (brand(message_type="VIDEO"), [("message_type", "4001")]),
    (brand(send_mode="basic"), [("template_code", "2020")]),
    (brand(send_mode="variable", template_code="SALE"), [("message", "1400")]),
    (brand(targeting="X"), [("targeting", "1400")]),
    (brand(targeting="M", ad_flag="N"), [("ad_flag", "1400")]),
    (brand(sender_key="q" * 40), [("sender_key", "2052")]),
    (brand(unknown=1), [("unknown", "1400")]),
    (brand(phone_number=None), [("phone_number", "2020")]),
    (brand(country_code="1"), [("country_code", "1400")]),
    (brand(attachment={"button": [{"name": "채널 추가", "type": "AC"}]}), [("attachment.button.0.type", "4000")]),
    (brand(fallback={"type": "LMS", "callback": "15441234", "message": "혜택"}), [("fallback.0.message", "2061")]),
    (brand(fallback={"type": "LMS", "callback": "15441234", "message": "(광고)혜택 #{name}"}), [("fallback.0.message", "2061")]),
    (brand(fallback={"type": "LMS", "callback": "15441234"}), [("fallback.0.message", "2061")]),
    (brand(phone_number=None, app_user_id="u1", fallback={"type": "LMS", "callback": "15441234", "message": AD}),
     [("phone_number", "2020")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named_with_its_code_all_at_once(client: Any, ports: Any, body: dict[str, Any], expected: Any) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert [(error["field"], error["code"]) for error in errors] == expected, errors
    assert not ports.accepted
    english = client.post(
        "/ims/acmemass/bt/sendMessage",
        content=json.dumps(body).encode(),
        headers={"content-type": "application/json", "accept-language": "en"},
    )
    assert all(error["message"].isascii() or "쿠폰" in error["message"] or "(광고)" in error["message"] or "080" in error["message"]
               for error in english.json()["errors"])  # fmt: skip


def test_a_text_in_place_of_an_advertisement_is_marked_as_one(client: Any, ports: Any) -> None:
    assert post(client, brand(fallback={"type": "LMS", "callback": "15441234", "message": AD})).json()["code"] == "0000"
    assert taken(ports).lane is Lane.AD


def test_a_brand_message_waits_for_the_day_like_every_advertisement(client: Any, ports: Any) -> None:
    ports.at_ms = round(datetime.fromisoformat("2027-03-02T20:50:00+09:00").timestamp() * 1000)
    assert post(client, brand()).json()["code"] == "2060"
    assert post(client, brand(ad_flag="N")).json()["code"] == "0000"
    assert taken(ports).lane is Lane.MASS


def test_no_brand_message_is_a_one_time_code(client: Any, ports: Any) -> None:
    assert post(client, brand(ad_flag="N"), key="acmeauth").json()["code"] == "1400"
    assert post(client, brand(), key="acmeauth").json()["code"] == "0000"
    assert taken(ports).lane is Lane.AD


def test_values_of_a_template_travel_as_they_are(client: Any, ports: Any) -> None:
    variables: dict[str, Any] = {"message_variable": {"name": "#{name}"}, "button_variable": {"link": LINK}, "image_variable": [IMAGE]}
    assert (
        post(client, brand(message=None, send_mode="variable", template_code="SALE", targeting="M", **variables)).json()["code"] == "0000"
    )
    accepted = taken(ports)
    assert {name: accepted.shared.fields[name] for name in variables} == variables
    assert accepted.row.mapping == {"name": "가"}


def test_a_user_of_the_app_is_a_recipient_and_the_phone_wins(client: Any, ports: Any) -> None:
    assert post(client, brand(phone_number=None, app_user_id="u1")).json()["code"] == "0000"
    assert (taken(ports).row.to, taken(ports).row.to_kind) == ("u1", "user")
    assert post(client, brand(message_id="b2", app_user_id="u1")).json()["code"] == "0000"
    assert (taken(ports, "b2").row.to, taken(ports, "b2").row.to_kind, taken(ports, "b2").row.also) == ("01023456789", "", {"user": "u1"})


def test_a_list_names_rows_without_a_recipient(client: Any, ports: Any) -> None:
    rows = [{"message_id": "r1", "phone_number": "01023456789"}, {"message_id": "r2", "app_user_id": "u2"}, {"message_id": "r3"}]
    body = {name: value for name, value in brand().items() if name not in ("message_id", "phone_number")}
    data = post(client, {**body, "campaign_id": "c1", "receiver_list": rows}, many=True).json()["data"]
    assert (data["accepted"], data["rejected"], data["errors"][0]["message_id"], data["errors"][0]["code"]) == (2, 1, "r3", "2020")


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("FT", {}, "0000"),
        ("FI", {"attachment": {"image": IMAGE}}, "0000"),
        ("FI", {}, "4002"),
        ("FW", {"attachment": {"image": IMAGE}}, "0000"),
        ("FL", {}, "4001"),
        ("FT", {"targeting": "M"}, "1400"),
    ],
)
def test_friendtalk_goes_out_as_a_free_brand_message_to_friends(
    client: Any, ports: Any, kind: str, change: dict[str, Any], code: str
) -> None:
    body = {"message_id": "b1", "message_type": kind, "sender_key": PROFILE, "phone_number": "01023456789", "message": "본문", **change}
    assert post(client, body, "ft").json()["code"] == code
    if code == "0000":
        shared = taken(ports).shared
        assert (shared.channel, shared.message_type, shared.fields["send_mode"], shared.fields["targeting"]) == ("ft", kind, "free", "I")
        assert taken(ports).lane is Lane.AD


def test_an_alimtalk_with_all_its_parts(client: Any, ports: Any, alimtalk: dict[str, Any]) -> None:
    parts = {
        "title": "#{name}님",
        "header": "배송",
        "attachment": {
            "button": [{"type": "DS", "name": "배송조회"}, {"type": "TN", "name": "전화", "tel_number": "15441234"}],
            "item": {
                "list": [{"title": "주문번호", "description": "#{code}"}] * 2,
                "summary": {"title": "합계", "description": "12,000원"},
            },
            "item_highlight": {"title": "도착", "description": "오늘"},
        },
        "supplement": {"quick_reply": [{"type": "BK", "name": "문의"}]},
    }
    assert post(client, {**alimtalk, **parts}, "at", "acmerealtime").json()["code"] == "0000"
    shared = taken(ports, "a1").shared
    assert {name: getattr(shared, name) for name in parts} == parts
