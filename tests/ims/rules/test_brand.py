"""The limits of brand messages, as a table: each bubble's smallest good message, and one fault for each rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ims.rules import brand
from ims.rules.brand import BUBBLES, Mode
from ims.rules.brand_check import places, structure
from ims.rules.kakao import Wrong
from ims.rules.limits import beyond

LINK = "https://shop.example/"
IMAGE = {"img_url": "https://mud-kage.kakao.com/a.jpg"}
BUTTON = {"name": "보기", "type": "WL", "url_mobile": LINK}
ITEM = {"title": "상품", "img_url": IMAGE["img_url"], "url_mobile": LINK}
PRICE = {"title": "사과", "regular_price": 1000}
COUPON = {"title": "1000원 할인 쿠폰", "description": "오늘만", "url_mobile": LINK}
FEED = {"header": "머리", "message": "본문", "attachment": {"image": IMAGE, "button": [BUTTON]}}
GOODS = {"attachment": {"image": IMAGE, "commerce": PRICE, "button": [BUTTON]}}

GOOD: dict[str, dict[str, Any]] = {
    "TEXT": {"message": "본문"},
    "IMAGE": {"message": "본문", "attachment": {"image": IMAGE}},
    "WIDE": {"message": "본문", "attachment": {"image": IMAGE}},
    "WIDE_ITEM_LIST": {"header": "머리", "attachment": {"item": {"list": [ITEM] * 3}}},
    "CAROUSEL_FEED": {"carousel": {"list": [FEED, FEED], "tail": {"url_mobile": LINK}}},
    "PREMIUM_VIDEO": {"attachment": {"video": {"video_url": "https://tv.kakao.com/v/1"}}},
    "COMMERCE": {"attachment": {"image": IMAGE, "commerce": PRICE, "button": [BUTTON]}},
    "CAROUSEL_COMMERCE": {"carousel": {"list": [GOODS, GOODS]}},
}


def wrong(bubble: str, fields: dict[str, Any], mode: Mode = Mode.FREE, targeting: str = "I", *, ad: bool = True) -> list[Wrong]:
    return list(structure(bubble, mode, targeting, ad, fields))


def with_(fields: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy in which one field is another; None takes it away."""
    fields = json.loads(json.dumps(fields))  # shares no parts with itself
    inner: Any = fields
    *way, last = path.split(".")
    for name in way:
        inner = inner[int(name)] if isinstance(inner, list) else inner.setdefault(name, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return fields


@pytest.mark.parametrize("bubble", BUBBLES)
def test_the_smallest_message_of_each_bubble_is_good(bubble: str) -> None:
    assert wrong(bubble, GOOD[bubble]) == []
    assert [field for text, field, limit in places(bubble, Mode.FREE, GOOD[bubble]) if text and beyond(text, limit)] == []


@pytest.mark.parametrize("bubble", BUBBLES)
def test_a_bubble_refuses_what_another_has(bubble: str) -> None:
    everything: dict[str, Any] = {"message": "본문", "header": "머리", "additional_content": "더"}
    everything |= {"attachment": {"image": IMAGE, "item": {"list": [ITEM] * 3}, "coupon": COUPON, "commerce": PRICE}}
    everything["attachment"]["video"] = {"video_url": LINK}
    named = {w.field.rpartition(".")[2] for w in wrong(bubble, everything) if "쓸 수 없습니다" in w.ko and "." in w.field + "."}
    takes = BUBBLES[bubble]
    expected = {part.value for part in brand.Part if part not in takes.required | takes.optional}
    expected |= {name for name in ("message", "header", "additional_content") if getattr(takes, name) is None}
    assert named == expected


MISSING = [
    ("TEXT", "message", "2020"),
    ("IMAGE", "message", "2020"),
    ("IMAGE", "attachment.image", "4002"),
    ("WIDE", "attachment.image", "4002"),
    ("WIDE_ITEM_LIST", "header", "2020"),
    ("WIDE_ITEM_LIST", "attachment.item", "4002"),
    ("WIDE_ITEM_LIST", "attachment.item.list.1.title", "4002"),
    ("CAROUSEL_FEED", "carousel", "2020"),
    ("CAROUSEL_FEED", "carousel.list.0.header", "2020"),
    ("CAROUSEL_FEED", "carousel.list.1.message", "2020"),
    ("CAROUSEL_FEED", "carousel.list.0.attachment.image", "4002"),
    ("CAROUSEL_FEED", "carousel.list.0.attachment.button", "4002"),
    ("PREMIUM_VIDEO", "attachment.video", "4002"),
    ("COMMERCE", "attachment.image", "4002"),
    ("COMMERCE", "attachment.commerce", "4002"),
    ("COMMERCE", "attachment.button", "4002"),
    ("CAROUSEL_COMMERCE", "carousel.list.0.attachment.commerce", "4002"),
]


@pytest.mark.parametrize(("bubble", "path", "code"), MISSING)
def test_what_a_bubble_requires(bubble: str, path: str, code: str) -> None:
    found = wrong(bubble, with_(GOOD[bubble], path, None))
    assert [(w.field, w.code) for w in found] == [(path, code)]


COUNTS = [
    ("TEXT", "attachment.button", BUTTON, 0, 5),
    ("IMAGE", "attachment.button", BUTTON, 0, 5),
    ("WIDE", "attachment.button", BUTTON, 0, 2),
    ("WIDE_ITEM_LIST", "attachment.button", BUTTON, 0, 2),
    ("PREMIUM_VIDEO", "attachment.button", BUTTON, 0, 1),
    ("COMMERCE", "attachment.button", BUTTON, 1, 2),
    ("WIDE_ITEM_LIST", "attachment.item.list", ITEM, 3, 4),
    ("CAROUSEL_FEED", "carousel.list", FEED, 2, 6),
    ("CAROUSEL_COMMERCE", "carousel.list", GOODS, 2, 6),
    ("CAROUSEL_FEED", "carousel.list.0.attachment.button", BUTTON, 1, 2),
]


@pytest.mark.parametrize(("bubble", "path", "one", "least", "most"), COUNTS)
def test_how_many(bubble: str, path: str, one: Any, least: int, most: int) -> None:
    for count in {max(0, least - 1), least, most, most + 1}:
        found = wrong(bubble, with_(GOOD[bubble], path, [one] * count))
        assert bool(found) == (not least <= count <= most), (count, found)


def test_an_intro_takes_the_place_of_a_card() -> None:
    head = {"header": "머리", "content": "본문", "image_url": IMAGE["img_url"]}
    for count, good in ((0, False), (1, True), (5, True), (6, False)):
        found = wrong("CAROUSEL_COMMERCE", {"carousel": {"head": head, "list": [GOODS] * count}})
        assert (found == []) == good, count
    assert [w.field for w in wrong("CAROUSEL_FEED", {"carousel": {"head": head, "list": [FEED] * 2}})] == ["carousel.head"]


def test_a_coupon_takes_the_place_of_a_button_in_text_and_image() -> None:
    for count, good in ((4, True), (5, False)):
        assert (wrong("TEXT", {"message": "본문", "attachment": {"button": [BUTTON] * count, "coupon": COUPON}}) == []) == good


LENGTHS = [
    ("TEXT", "message", 1300, 99),
    ("IMAGE", "message", 400, 29),
    ("WIDE", "message", 76, 1),
    ("PREMIUM_VIDEO", "message", 76, 1),
    ("PREMIUM_VIDEO", "header", 20, 0),
    ("WIDE_ITEM_LIST", "header", 20, 0),
    ("WIDE_ITEM_LIST", "attachment.item.list.0.title", 25, 1),
    ("WIDE_ITEM_LIST", "attachment.item.list.1.title", 30, 1),
    ("CAROUSEL_FEED", "carousel.list.0.header", 20, 0),
    ("CAROUSEL_FEED", "carousel.list.0.message", 180, 2),
    ("COMMERCE", "additional_content", 34, 1),
    ("COMMERCE", "attachment.commerce.title", 30, 0),
    ("CAROUSEL_COMMERCE", "carousel.head.header", 20, 0),
    ("CAROUSEL_COMMERCE", "carousel.head.content", 50, 2),
    ("TEXT", "attachment.coupon.description", 12, 0),
    ("WIDE", "attachment.coupon.description", 18, 0),
    ("COMMERCE", "attachment.button.0.name", 8, 0),
    ("PREMIUM_VIDEO", "attachment.video.video_url", 500, None),
    ("IMAGE", "attachment.image.img_link", 1000, None),
]


@pytest.mark.parametrize(("bubble", "path", "characters", "breaks"), LENGTHS)
def test_how_long(bubble: str, path: str, characters: int, breaks: int | None) -> None:
    def found(text: str) -> list[str]:
        fields = with_(GOOD[bubble], path, text)
        return [field for text, field, limit in places(bubble, Mode.FREE, fields) if text and beyond(text, limit)]

    assert found("가" * characters) == []
    assert found("가" * (characters + 1)) == [path]
    if breaks is not None:
        assert found("\n" * breaks + "가") == []
        assert found("\n" * (breaks + 1)) == [path]


@pytest.mark.parametrize(
    ("title", "good"),
    [
        ("1원 할인 쿠폰", True),
        ("99999999원 할인 쿠폰", True),
        ("0원 할인 쿠폰", False),
        ("100000000원 할인 쿠폰", False),
        ("1% 할인 쿠폰", True),
        ("100% 할인 쿠폰", True),
        ("101% 할인 쿠폰", False),
        ("배송비 할인 쿠폰", True),
        ("일이삼사오육칠무료 쿠폰", True),
        ("일이삼사오육칠팔무료 쿠폰", False),
        ("커피 UP 쿠폰", True),
        ("아무 쿠폰", False),
        ("1000원 할인", False),
    ],
)
def test_a_coupon_is_called_one_of_five_things(title: str, good: bool) -> None:
    assert (beyond(title, brand.COUPON_TITLE) is None) == good


def test_links_of_a_template_are_shorter() -> None:
    fields = {"message": "본문", "attachment": {"button": [{**BUTTON, "url_mobile": "h" * 501}]}}
    over = {mode: [f for t, f, limit in places("TEXT", mode, fields) if t and beyond(t, limit)] for mode in (Mode.FREE, Mode.BASIC)}
    assert over == {Mode.FREE: [], Mode.BASIC: ["attachment.button.0.url_mobile"]}


BUTTONS = [
    ({"type": "WL", "name": "보기"}, "free", "I", "url_mobile"),
    ({"type": "AL", "name": "앱", "url_mobile": LINK}, "free", "I", "two of"),
    ({"type": "AL", "name": "앱", "url_mobile": LINK, "scheme_ios": "a://b"}, "free", "I", ""),
    ({"type": "BC", "name": "상담"}, "free", "I", ""),
    ({"type": "BC", "name": "상담"}, "basic", "I", "Allowed types"),
    ({"type": "AC", "name": "채널 추가"}, "free", "M", "Allowed types"),
    ({"type": "AC", "name": "채널 추가"}, "basic", "M", ""),
    ({"type": "AC", "name": "채널 추가"}, "basic", "I", "targeting M and N"),
    ({"type": "AC", "name": "추가"}, "basic", "M", "is called"),
    ({"type": "DS", "name": "배송"}, "free", "I", "Allowed types"),
    ({"type": "BF", "name": "톡에서 예약하기", "biz_form_key": "1"}, "free", "I", ""),
    ({"type": "BF", "name": "예약", "biz_form_key": "1"}, "free", "I", "is called"),
    ({"type": "BF", "name": "톡에서 예약하기"}, "free", "I", "biz_form_key"),
    ({"type": "WL", "name": "#{n}", "url_mobile": LINK}, "free", "I", "no variables"),
]


@pytest.mark.parametrize(("button", "mode", "targeting", "words"), BUTTONS)
def test_buttons(button: dict[str, str], mode: str, targeting: str, words: str) -> None:
    fields = {"message": "본문", "attachment": {"button": [button]}} | ({"template_code": "T"} if mode == "basic" else {})
    found = wrong("TEXT", fields, Mode(mode), targeting)
    assert bool(found) == bool(words)
    assert all(words in f"{w.field} {w.en}" for w in found)


def test_a_button_that_stands_out_has_its_place() -> None:
    add, form = {"type": "AC", "name": "채널 추가"}, {"type": "BF", "name": "톡에서 응모하기", "biz_form_key": "1"}
    rows = [([add, BUTTON], True), ([BUTTON, add], False), ([form, BUTTON], True), ([BUTTON, form], False), ([add, form], True)]
    for row, good in rows:
        fields = {"message": "본문", "template_code": "T", "attachment": {"button": row}}
        assert (wrong("TEXT", fields, Mode.BASIC, "M") == []) == good, row
    wide = {"message": "본문", "template_code": "T", "attachment": {"image": IMAGE, "button": [BUTTON, add]}}
    assert wrong("WIDE", wide, Mode.BASIC, "M") == []
    card = {**FEED, "attachment": {"image": IMAGE, "button": [BUTTON, add]}}
    twice = wrong("CAROUSEL_FEED", {"template_code": "T", "carousel": {"list": [card, card]}}, Mode.BASIC, "M")
    assert [w.field for w in twice] == ["carousel.list"]


@pytest.mark.parametrize(
    ("commerce", "good"),
    [
        (PRICE, True),
        ({**PRICE, "discount_price": 900}, False),
        ({**PRICE, "discount_rate": 10}, False),
        ({**PRICE, "discount_price": 900, "discount_rate": 10}, True),
        ({**PRICE, "discount_price": 900, "discount_fixed": 100}, True),
    ],
)
def test_a_discount_is_a_price_and_how_it_came(commerce: dict[str, Any], good: bool) -> None:
    assert (wrong("COMMERCE", with_(GOOD["COMMERCE"], "attachment.commerce", commerce)) == []) == good


@pytest.mark.parametrize(
    ("coupon", "good"),
    [(COUPON, True), ({**COUPON, "url_mobile": ""}, False), ({"title": "배송비 할인 쿠폰", "scheme_ios": "alimtalk=coupon://1"}, True)],
)
def test_a_coupon_leads_somewhere(coupon: dict[str, str], good: bool) -> None:
    assert (wrong("TEXT", {"message": "본문", "attachment": {"coupon": coupon}}) == []) == good


MODES = [
    (Mode.FREE, {"message": "본문", "template_code": "T"}, ["template_code"]),
    (Mode.BASIC, {"message": "본문"}, ["template_code"]),
    (Mode.BASIC, {"message": "본문", "template_code": "T"}, []),
    (Mode.VARIABLE, {"template_code": "T"}, []),
    (Mode.VARIABLE, {"template_code": "T", "message_variable": {"a": "b"}}, []),
    (Mode.VARIABLE, {"template_code": "T", "message": "본문", "attachment": {"button": [BUTTON]}}, ["message", "attachment"]),
    (Mode.FREE, {"message": "본문", "button_variable": {"a": "b"}}, ["button_variable"]),
]


@pytest.mark.parametrize(("mode", "fields", "named"), MODES)
def test_modes(mode: Mode, fields: dict[str, Any], named: list[str]) -> None:
    assert [w.field for w in wrong("TEXT", fields, mode)] == named


def test_only_a_free_message_to_friends_may_be_no_advertisement() -> None:
    assert wrong("TEXT", GOOD["TEXT"], ad=False) == []
    assert [w.field for w in wrong("TEXT", GOOD["TEXT"], targeting="M", ad=False)] == ["ad_flag"]
    assert [w.field for w in wrong("TEXT", GOOD["TEXT"] | {"template_code": "T"}, Mode.BASIC, ad=False)] == ["ad_flag"]
    for bubble in ("WIDE_ITEM_LIST", "CAROUSEL_FEED", "CAROUSEL_COMMERCE"):
        assert [w.field for w in wrong(bubble, GOOD[bubble], ad=False)] == ["ad_flag"]


def test_the_agencies_letters_are_the_same_bubbles() -> None:
    assert {brand.bubble_name(code) for code in brand.LEGACY} == set(BUBBLES)
    assert {brand.CODE_OF[bubble] for bubble in BUBBLES} == {"FT", "FI", "FW", "FL", "FC", "FP", "FM", "FA"}
