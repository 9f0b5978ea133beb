"""What is wrong with a brand message: everything about its form at once, and every text with how long it may be after substitution.

Works on the fields as the request names them (`message`, `header`, `attachment`, `carousel`, ...). Texts may hold
`#{variables}` still: `structure` looks at what they cannot change, `places` hands out what must be measured when rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ims.rules import brand
from ims.rules.brand import BUBBLES, CONSENTED, Bubble, Mode, Part, Text
from ims.rules.kakao import BASIC_BUTTONS, FREE_BUTTONS, FREE_LINK_CHARACTERS, LINK_CHARACTERS, LINKS, Wrong, buttons, missing
from ims.rules.limits import Limit

Fields = Mapping[str, Any]
Place = tuple[str, str, Limit]

TEXTS = ("message", "header", "additional_content")
VARIABLES = (
    "message_variable",
    "button_variable",
    "coupon_variable",
    "image_variable",
    "video_variable",
    "commerce_variable",
    "carousel_variable",
)
_CONTENT = (*TEXTS, "attachment", "carousel")
_CHANNEL_COUPON = "alimtalk=coupon://"


def structure(message_type: str, mode: Mode, targeting: str, ad: bool, fields: Fields) -> Iterator[Wrong]:
    """What is wrong whatever the variables become. `message_type` is a bubble's name; an unknown one is said elsewhere."""
    bubble = BUBBLES.get(message_type)
    if bubble is None:
        return
    yield from _mode(mode, fields)
    yield from _not_an_ad(message_type, bubble, mode, targeting, ad)
    if mode is Mode.VARIABLE:
        return
    rules = FREE_BUTTONS if mode is Mode.FREE else BASIC_BUTTONS
    template = mode is not Mode.FREE  # which has the parts that are left out
    yield from _texts(bubble, fields, "", message_type, required=not (template and not any(fields.get(n) for n in _CONTENT)))
    attachment = fields.get("attachment") or {}
    yield from _attachment(bubble, attachment, "attachment", message_type, rules, required=not template or bool(attachment))
    yield from _carousel(bubble, fields.get("carousel") or {}, message_type, rules, required=not template)
    yield from _accents(fields, bubble, mode, targeting)


def _mode(mode: Mode, fields: Fields) -> Iterator[Wrong]:
    if mode is Mode.FREE and fields.get("template_code"):
        yield Wrong("template_code", "1400", "자유형에는 쓸 수 없습니다.", "A free message has no template.")
    if mode is not Mode.FREE and not fields.get("template_code"):
        yield Wrong("template_code", "2020", "기본형에는 필수 항목입니다.", "basic and variable require it.")
    if mode is Mode.VARIABLE:
        for name in _CONTENT:
            if fields.get(name):
                yield Wrong(name, "1400", "변수분리 방식에는 쓸 수 없습니다.", "In variable mode the template has it.")
    else:
        for name in VARIABLES:
            if fields.get(name):
                yield Wrong(name, "1400", "변수분리 방식에만 쓸 수 있습니다.", "It belongs to variable mode.")


def _not_an_ad(message_type: str, bubble: Bubble, mode: Mode, targeting: str, ad: bool) -> Iterator[Wrong]:
    """A brand message is an advertisement; only a free one to friends may say that it is none, and not of every type."""
    if ad:
        return
    if mode is not Mode.FREE:
        yield Wrong("ad_flag", "1400", "자유형에서만 N을 쓸 수 있습니다.", "Only a free message may say N.")
    if targeting in CONSENTED:
        yield Wrong("ad_flag", "1400", "타게팅 M, N은 광고만 보냅니다.", "Targeting M and N carry advertisements only.")
    if bubble.always_ad:
        yield Wrong("ad_flag", "1400", f"{message_type}은 Y만 쓸 수 있습니다.", f"{message_type} takes Y only.")


def _texts(bubble: Bubble, fields: Fields, at: str, what: str, *, required: bool) -> Iterator[Wrong]:
    for name in TEXTS:
        takes: Text | None = getattr(bubble, name)
        if takes is None and fields.get(name):
            yield Wrong(f"{at}{name}", "1400", f"{what}에는 쓸 수 없습니다.", f"{what} does not take it.")
        elif takes is not None and takes.required and required:
            yield from missing(fields, at.rstrip("."), (name,), what, "2020")


def _attachment(bubble: Bubble, attachment: Fields, at: str, what: str, rules: Mapping[str, Any], *, required: bool) -> Iterator[Wrong]:
    code = "4002"
    for part in Part:
        given = attachment.get(part)
        if given and part not in bubble.required | bubble.optional:
            yield Wrong(f"{at}.{part}", code, f"{what}에는 쓸 수 없습니다.", f"{what} does not take it.")
        elif not given and part in bubble.required and required:
            yield Wrong(f"{at}.{part}", code, f"{what}에는 필수 항목입니다.", f"{what} requires it.")
    found = attachment.get("button", [])
    most = bubble.most_beside_coupon if attachment.get(Part.COUPON) else bubble.most_buttons
    if len(found) > most:
        yield Wrong(f"{at}.button", code, f"{what}: 최대 {most}개입니다.", f"{what}: at most {most} are allowed.")
    if len(found) < bubble.least_buttons and required:
        least = bubble.least_buttons
        yield Wrong(f"{at}.button", code, f"{what}: 최소 {least}개가 필요합니다.", f"{what}: at least {least} are needed.")
    yield from buttons(found, f"{at}.button", rules, code)
    yield from _coupon(attachment.get(Part.COUPON) or {}, f"{at}.coupon")
    yield from _commerce(attachment.get(Part.COMMERCE) or {}, f"{at}.commerce")
    yield from _items((attachment.get(Part.ITEM) or {}).get("list"), f"{at}.item.list")


def _coupon(coupon: Fields, at: str) -> Iterator[Wrong]:
    """A coupon of the channel's own opens by its scheme; any other by a link."""
    if not coupon or coupon.get("url_mobile"):
        return
    if not any(str(coupon.get(name, "")).startswith(_CHANNEL_COUPON) for name in ("scheme_android", "scheme_ios")):
        ko = f"url_mobile 또는 {_CHANNEL_COUPON} 형식의 scheme_android, scheme_ios가 필요합니다."
        yield Wrong(at, "4002", ko, f"It requires url_mobile, or a scheme beginning with {_CHANNEL_COUPON}.")


def _commerce(commerce: Fields, at: str) -> Iterator[Wrong]:
    discounts = [name for name in ("discount_rate", "discount_fixed") if commerce.get(name) is not None]
    if commerce.get("discount_price") is not None and not discounts:
        ko = "discount_price에는 discount_rate 또는 discount_fixed가 필요합니다."
        yield Wrong(at, "4002", ko, "discount_price requires discount_rate or discount_fixed.")
    if discounts and commerce.get("discount_price") is None:
        yield Wrong(f"{at}.discount_price", "4002", "할인에는 필수 항목입니다.", "A discount requires it.")


def _items(items: Any, at: str) -> Iterator[Wrong]:
    if items is None:
        return
    if not brand.ITEMS_LEAST <= len(items) <= brand.ITEMS_MOST:
        least, most = brand.ITEMS_LEAST, brand.ITEMS_MOST
        yield Wrong(at, "4002", f"{least}개 이상 {most}개 이하여야 합니다.", f"It must hold {least} to {most} items.")
    for i, item in enumerate(items[1:], start=1):
        yield from missing(item, f"{at}.{i}", ("title",), "아이템", "4002")


def _carousel(bubble: Bubble, carousel: Fields, what: str, rules: Mapping[str, Any], *, required: bool) -> Iterator[Wrong]:
    takes = bubble.carousel
    if takes is None:
        if carousel:
            yield Wrong("carousel", "4002", f"{what}에는 쓸 수 없습니다.", f"{what} does not take it.")
        return
    if not carousel:
        if required:
            yield Wrong("carousel", "2020", f"{what}에는 필수 항목입니다.", f"{what} requires it.")
        return
    head, cards = carousel.get("head") or {}, carousel.get("list", [])
    if head and not takes.head:
        yield Wrong("carousel.head", "4002", f"{what}에는 쓸 수 없습니다.", f"{what} does not take it.")
    links = any(head.get(name) for name in LINKS)
    yield from missing(head, "carousel.head", ("url_mobile",) if links else (), "인트로 링크", "4002")
    intro = 1 if head and takes.head else 0  # stands for a card
    least, most = takes.least - intro, takes.most - intro
    if not least <= len(cards) <= most:
        yield Wrong("carousel.list", "4002", f"카드는 {least}개 이상 {most}개 이하여야 합니다.", f"It must hold {least} to {most} cards.")
    for i, card in enumerate(cards):
        at = f"carousel.list.{i}"
        yield from _texts(takes.card, card, f"{at}.", what, required=True)
        yield from _attachment(takes.card, card.get("attachment") or {}, f"{at}.attachment", what, rules, required=True)


def _accents(fields: Fields, bubble: Bubble, mode: Mode, targeting: str) -> Iterator[Wrong]:
    """AC and BF stand out, so they have a place of their own, and only those who are no friends yet can add the channel."""
    rows = [("attachment.button", (fields.get("attachment") or {}).get("button", []))]
    cards = (fields.get("carousel") or {}).get("list", [])
    rows += [(f"carousel.list.{i}.attachment.button", (c.get("attachment") or {}).get("button", [])) for i, c in enumerate(cards)]
    added = 0
    for at, row in rows:
        kinds = [button.get("type") for button in row]
        for i, kind in enumerate(kinds):
            if kind == "AC" and mode is not Mode.FREE:  # there it is refused as a type
                added += 1
                if targeting not in CONSENTED:
                    yield Wrong(f"{at}.{i}", "4002", "AC는 타게팅 M, N에만 쓸 수 있습니다.", "AC is for targeting M and N.")
                if len(kinds) > 1 and i != bubble.accent:
                    place = bubble.accent + 1
                    yield Wrong(f"{at}.{i}", "4002", f"AC는 {place}번째 버튼이어야 합니다.", f"AC must be button {place}.")
            elif kind == "BF" and i != (1 if "AC" in kinds[:1] else 0):
                ko = "BF는 첫 번째(AC가 있으면 그 다음) 버튼이어야 합니다."
                yield Wrong(f"{at}.{i}", "4002", ko, "BF must be the first button, or follow AC.")
    if cards and added > 1:
        yield Wrong("carousel.list", "4002", "AC는 캐러셀 전체에서 하나만 쓸 수 있습니다.", "A carousel has one AC at most.")


def places(message_type: str, mode: Mode, fields: Fields) -> Iterator[Place]:
    """Every text with its field and its limit after substitution."""
    bubble = BUBBLES.get(message_type)
    if bubble is None or mode is Mode.VARIABLE:
        return
    link = Limit(FREE_LINK_CHARACTERS if mode is Mode.FREE else LINK_CHARACTERS)
    yield from _text_places(bubble, fields, "")
    yield from _attachment_places(bubble, fields.get("attachment") or {}, "attachment", link)
    carousel = fields.get("carousel") or {}
    if bubble.carousel is None or not carousel:
        return
    head = carousel.get("head") or {}
    yield head.get("header", ""), "carousel.head.header", brand.HEAD_HEADER
    yield head.get("content", ""), "carousel.head.content", brand.HEAD_CONTENT
    yield from _links(head, "carousel.head", link, "image_url")
    for i, card in enumerate(carousel.get("list", [])):
        yield from _text_places(bubble.carousel.card, card, f"carousel.list.{i}.")
        yield from _attachment_places(bubble.carousel.card, card.get("attachment") or {}, f"carousel.list.{i}.attachment", link)
    yield from _links(carousel.get("tail") or {}, "carousel.tail", link)


def _text_places(bubble: Bubble, fields: Fields, at: str) -> Iterator[Place]:
    for name in TEXTS:
        takes: Text | None = getattr(bubble, name)
        if takes is not None:
            yield fields.get(name, ""), f"{at}{name}", takes.limit


def _attachment_places(bubble: Bubble, attachment: Fields, at: str, link: Limit) -> Iterator[Place]:
    for i, button in enumerate(attachment.get("button", [])):
        yield button.get("name", ""), f"{at}.button.{i}.name", bubble.button_name
        yield from _links(button, f"{at}.button.{i}", link)
    yield from _links(attachment.get(Part.IMAGE) or {}, f"{at}.image", link, "img_url", "img_link")
    for i, item in enumerate((attachment.get(Part.ITEM) or {}).get("list", [])):
        yield item.get("title", ""), f"{at}.item.list.{i}.title", brand.ITEM_TITLE if i else brand.FIRST_ITEM_TITLE
        yield from _links(item, f"{at}.item.list.{i}", link, "img_url")
    coupon = attachment.get(Part.COUPON) or {}
    yield coupon.get("title", ""), f"{at}.coupon.title", brand.COUPON_TITLE
    yield coupon.get("description", ""), f"{at}.coupon.description", bubble.coupon_description
    yield from _links(coupon, f"{at}.coupon", link)
    yield (attachment.get(Part.COMMERCE) or {}).get("title", ""), f"{at}.commerce.title", brand.COMMERCE_TITLE
    yield from _links(attachment.get(Part.VIDEO) or {}, f"{at}.video", brand.VIDEO_LINK, "video_url", "thumbnail_url")


def _links(found: Fields, at: str, limit: Limit, *more: str) -> Iterator[Place]:
    for name in (*LINKS, *more):
        yield found.get(name, ""), f"{at}.{name}", limit
