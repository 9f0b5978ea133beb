"""The limits of an AlimTalk [Kakao] (domain/korean-messaging.md 1.3), checked on what the client wrote and on what was rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ims.rules.kakao import ALIMTALK_BUTTONS, LINK_CHARACTERS, LINKS, QUICK_REPLIES, Wrong, buttons
from ims.rules.limits import Form, Limit
from ims.rules.text import ALIMTALK_CHARACTERS

TEXT = Limit(ALIMTALK_CHARACTERS)
ITEM_LIST_TEXT = Limit(700)
TITLE = Limit(50)
HEADER = Limit(16, 0)
LINK = Limit(LINK_CHARACTERS)
ITEM_TITLE, ITEM_DESCRIPTION = Limit(6, 0), Limit(23, 0)
SUMMARY_TITLE, SUMMARY_DESCRIPTION = Limit(6, 0), Limit(14, 0, Form.AMOUNT)
HIGHLIGHT_TITLE, HIGHLIGHT_DESCRIPTION = Limit(30), Limit(19)
IMAGE_HIGHLIGHT_TITLE, IMAGE_HIGHLIGHT_DESCRIPTION = Limit(21), Limit(13)  # beside the image of an AI

LEAST_ITEMS, MOST_ITEMS = 2, 10
MOST_BUTTONS, MOST_BUTTONS_BESIDE_REPLIES = 5, 2
MOST_QUICK_REPLIES = 10  # lunasoft; NHN takes 5

Place = tuple[str, str, Limit]  # text, field, how long it may be


def text_limit(attachment: Mapping[str, Any]) -> Limit:
    """Of the body: an item list leaves less room."""
    return ITEM_LIST_TEXT if attachment.get("item") else TEXT


def structure(attachment: Mapping[str, Any], supplement: Mapping[str, Any]) -> Iterator[Wrong]:
    """What is wrong whatever the variables become."""
    found, replies = attachment.get("button", []), supplement.get("quick_reply", [])
    most = MOST_BUTTONS_BESIDE_REPLIES if replies else MOST_BUTTONS
    if len(found) > most:
        ko = f"바로연결이 있으면 버튼은 최대 {most}개입니다." if replies else f"최대 {most}개입니다."
        en = f"At most {most} buttons beside quick replies." if replies else f"At most {most} are allowed."
        yield Wrong("attachment.button", "4002", ko, en)
    if len(replies) > MOST_QUICK_REPLIES:
        yield Wrong("supplement.quick_reply", "4003", f"최대 {MOST_QUICK_REPLIES}개입니다.", f"At most {MOST_QUICK_REPLIES} are allowed.")
    yield from buttons(found, "attachment.button", ALIMTALK_BUTTONS, "4002")
    yield from buttons(replies, "supplement.quick_reply", QUICK_REPLIES, "4003")
    yield from _items(attachment.get("item") or {})


def _items(item: Mapping[str, Any]) -> Iterator[Wrong]:
    rows, summary = item.get("list", []), item.get("summary") or {}
    if item and not LEAST_ITEMS <= len(rows) <= MOST_ITEMS:
        ko, en = f"{LEAST_ITEMS}개 이상 {MOST_ITEMS}개 이하여야 합니다.", f"It must hold {LEAST_ITEMS} to {MOST_ITEMS} items."
        yield Wrong("attachment.item.list", "4002", ko, en)
    titles = [(f"attachment.item.list.{i}.title", row.get("title", "")) for i, row in enumerate(rows)]
    for field, title in [*titles, ("attachment.item.summary.title", summary.get("title", ""))]:
        if "#{" in title:
            yield Wrong(field, "4002", "변수를 쓸 수 없습니다.", "It holds no variables.")


def places(message_type: str, attachment: Mapping[str, Any], supplement: Mapping[str, Any]) -> Iterator[Place]:
    """Every text of the attachment and the quick replies that may hold variables, or is limited."""
    item, highlight = attachment.get("item") or {}, attachment.get("item_highlight") or {}
    for i, row in enumerate(item.get("list", [])):
        yield row.get("title", ""), f"attachment.item.list.{i}.title", ITEM_TITLE
        yield row.get("description", ""), f"attachment.item.list.{i}.description", ITEM_DESCRIPTION
    summary = item.get("summary") or {}
    yield summary.get("title", ""), "attachment.item.summary.title", SUMMARY_TITLE
    yield summary.get("description", ""), "attachment.item.summary.description", SUMMARY_DESCRIPTION
    image = message_type == "AI"
    yield highlight.get("title", ""), "attachment.item_highlight.title", IMAGE_HIGHLIGHT_TITLE if image else HIGHLIGHT_TITLE
    description = IMAGE_HIGHLIGHT_DESCRIPTION if image else HIGHLIGHT_DESCRIPTION
    yield highlight.get("description", ""), "attachment.item_highlight.description", description
    for at, found in (("attachment.button", attachment.get("button", [])), ("supplement.quick_reply", supplement.get("quick_reply", []))):
        for i, button in enumerate(found):
            for name in LINKS:
                yield button.get(name, ""), f"{at}.{i}.{name}", LINK
