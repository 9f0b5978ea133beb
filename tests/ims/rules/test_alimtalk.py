"""The limits of AlimTalk, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from ims.rules import alimtalk
from ims.rules.kakao import ALIMTALK_BUTTONS
from ims.rules.limits import beyond

ROW = {"title": "주문번호", "description": "#{no}"}
LINKED = {"name": "보기", "type": "WL", "url_mobile": "https://shop.example/"}


def named(attachment: dict[str, Any], supplement: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(w.field, w.code) for w in alimtalk.structure(attachment, supplement or {})]


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, False), (2, True), (10, True), (11, False)])
def test_an_item_list_has_two_to_ten_rows(count: int, good: bool) -> None:
    assert (named({"item": {"list": [ROW] * count, "summary": {"title": "합계", "description": "1원"}}}) == []) == good


def test_titles_of_items_and_of_the_summary_hold_no_variables() -> None:
    item = {"list": [ROW, {**ROW, "title": "#{a}"}], "summary": {"title": "#{b}", "description": "#{c}"}}
    assert named({"item": item}) == [("attachment.item.list.1.title", "4002"), ("attachment.item.summary.title", "4002")]


def test_buttons_beside_quick_replies_are_fewer() -> None:
    assert named({"button": [LINKED] * 5}) == []
    assert named({"button": [LINKED] * 6}) == [("attachment.button", "4002")]
    assert named({"button": [LINKED] * 2}, {"quick_reply": [LINKED] * 10}) == []
    assert named({"button": [LINKED] * 3}, {"quick_reply": [LINKED] * 11}) == [
        ("attachment.button", "4002"),
        ("supplement.quick_reply", "4003"),
    ]


GOOD_BUTTONS = {
    "WL": {"url_mobile": "https://a.example"},
    "AL": {"scheme_ios": "a://b", "scheme_android": "a://b"},
    "AC": {"name": "채널 추가"},
    "BF": {"biz_form_id": "1"},
    "TN": {"tel_number": "0105550000"},
    "P1": {"plugin_id": "p"},
    "P2": {"plugin_id": "p"},
    "P3": {"plugin_id": "p"},
}


@pytest.mark.parametrize("kind", ALIMTALK_BUTTONS)
def test_each_type_of_button_has_what_it_needs(kind: str) -> None:
    bare = {"type": kind, "name": "누르기"}
    assert bool(named({"button": [bare]})) == (kind in GOOD_BUTTONS)
    assert named({"button": [bare | GOOD_BUTTONS.get(kind, {})]}) == []


def test_a_quick_reply_is_no_tracking_and_no_channel_button() -> None:
    assert named({}, {"quick_reply": [{"type": "DS", "name": "배송"}]}) == [("supplement.quick_reply.0.type", "4003")]
    assert named({}, {"quick_reply": [{"type": "BK", "name": "#{a}"}]}) == [("supplement.quick_reply.0.name", "4003")]


LENGTHS = [
    ("AT", "item.list.0.title", 6),
    ("AT", "item.list.0.description", 23),
    ("AT", "item.summary.title", 6),
    ("AT", "item_highlight.title", 30),
    ("AI", "item_highlight.title", 21),
    ("AT", "item_highlight.description", 19),
    ("AI", "item_highlight.description", 13),
    ("AT", "button.0.url_mobile", 500),
]


@pytest.mark.parametrize(("message_type", "path", "characters"), LENGTHS)
def test_how_long(message_type: str, path: str, characters: int) -> None:
    for size, good in ((characters, True), (characters + 1, False)):
        attachment: dict[str, Any] = {"item": {"list": [{}], "summary": {}}, "item_highlight": {}, "button": [{}]}
        inner: Any = attachment
        *way, last = path.split(".")
        for name in way:
            inner = inner[int(name)] if name.isdigit() else inner[name]
        inner[last] = "가" * size
        over = [field for text, field, limit in alimtalk.places(message_type, attachment, {}) if text and beyond(text, limit)]
        assert over == ([] if good else [f"attachment.{path}"])


@pytest.mark.parametrize(
    ("text", "good"), [("12,000원", True), ("USD 12.50", True), ("￦1,000", True), ("만 원", False), ("1" * 14, True), ("1" * 15, False)]
)
def test_a_summary_is_an_amount(text: str, good: bool) -> None:
    assert (beyond(text, alimtalk.SUMMARY_DESCRIPTION) is None) == good


def test_an_item_list_leaves_less_room_for_the_text() -> None:
    assert alimtalk.text_limit({}).characters == 1300
    assert alimtalk.text_limit({"item": {"list": [ROW, ROW]}}).characters == 700
