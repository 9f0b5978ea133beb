"""Limits of texts in characters (of the rendered text, after NFC), in line breaks, and in form; those in bytes are in text.py."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Form(Enum):
    """A text that must have one of a few forms."""

    COUPON = re.compile(r"(?:([1-9]\d{0,7})원 할인|(100|[1-9]\d?)% 할인|배송비 할인|[^\n]{1,7} ?무료|[^\n]{1,7} ?UP) ?쿠폰")
    AMOUNT = re.compile(r"[\d.,\s\u20a0-\u20cf$¢£¤¥￥￦元円원A-Z]*")  # symbols and codes of currencies, digits, comma, point, space


_FORM_WORDS = {
    Form.COUPON: (
        "'N원 할인 쿠폰', 'N% 할인 쿠폰', '배송비 할인 쿠폰', '(7자 이내)무료 쿠폰', '(7자 이내)UP 쿠폰' 중 하나여야 합니다.",
        "It must be one of Kakao's five forms of a coupon's title.",
    ),
    Form.AMOUNT: (
        "통화 기호와 코드, 숫자, 쉼표, 소수점, 공백만 쓸 수 있습니다.",
        "Only currency symbols and codes, digits, commas, points and blanks are allowed.",
    ),
}


class Limit(NamedTuple):
    """How long a text may be, after substitution."""

    characters: int
    breaks: int | None = None  # line breaks; None: as many as fit
    form: Form | None = None


def beyond(text: str, limit: Limit) -> tuple[str, str] | None:
    """What is wrong with a rendered text, in Korean and English."""
    size, breaks = len(text), text.count("\n")
    if size > limit.characters:
        return f"{size}자, 최대 {limit.characters}자입니다.", f"{size} characters, at most {limit.characters}."
    if limit.breaks is not None and breaks > limit.breaks:
        return f"줄바꿈 {breaks}개, 최대 {limit.breaks}개입니다.", f"{breaks} line breaks, at most {limit.breaks}."
    if limit.form is not None and not limit.form.value.fullmatch(text):
        return _FORM_WORDS[limit.form]
    return None
