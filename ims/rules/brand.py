"""The bubble types of a brand message (브랜드메시지) as data: what each one takes, and how long it may be.

From domain/korean-messaging.md 1.4; the finer limits (line breaks, buttons of cards, places of AC and BF) from the
interface guides of NHN Cloud (API v1.0) and MTS (free form v1.0, 2025-09-20), which agree in them. `brand_check.py` applies this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ims.rules.limits import Form, Limit


class Mode(StrEnum):
    """How a brand message is written (domain 1.4)."""

    FREE = "free"  # without a template
    BASIC = "basic"  # with a template, the whole text given
    VARIABLE = "variable"  # with a template, only the values of its variables given


class Part(StrEnum):
    """What an attachment is made of, named as in the request."""

    IMAGE = "image"
    ITEM = "item"
    COUPON = "coupon"
    COMMERCE = "commerce"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a bubble, and whether it must be there."""

    limit: Limit
    required: bool = True


@dataclass(frozen=True, slots=True)
class Cards:
    """A carousel: how many cards, and what a card is."""

    card: Bubble
    least: int
    most: int
    head: bool = False  # whether it may have an intro, which takes the place of one card


@dataclass(frozen=True, slots=True)
class Bubble:
    """What a bubble, or a card of a carousel, takes. What is not named here is refused."""

    message: Text | None = None
    header: Text | None = None
    additional_content: Text | None = None
    required: frozenset[Part] = frozenset()
    optional: frozenset[Part] = frozenset({Part.COUPON})
    least_buttons: int = 0
    most_buttons: int = 0
    most_beside_coupon: int = 0  # buttons
    button_name: Limit = field(default=Limit(8, 0))
    coupon_description: Limit = field(default=Limit(12, 0))
    accent: int = 1  # place (from 0) of a button that adds the channel or opens a form: the first in text and image, else the second
    carousel: Cards | None = None
    always_ad: bool = False  # ad_flag N is refused [Kakao, by Bizgo]


_HEADER = Limit(20, 0)
_ADDITIONAL = Limit(34, 1)
_SHORT = Limit(76, 1)
_WIDE_DESCRIPTION = Limit(18, 0)
_NONE: frozenset[Part] = frozenset()

_FEED_CARD = Bubble(
    message=Text(Limit(180, 2)),
    header=Text(_HEADER),
    required=frozenset({Part.IMAGE}),
    least_buttons=1,
    most_buttons=2,
    most_beside_coupon=2,
)
_COMMERCE_CARD = Bubble(
    additional_content=Text(_ADDITIONAL, required=False),  # Kakao's dealers take it here; Bizgo's document says no
    required=frozenset({Part.IMAGE, Part.COMMERCE}),
    least_buttons=1,
    most_buttons=2,
    most_beside_coupon=2,
)

BUBBLES: Mapping[str, Bubble] = {
    "TEXT": Bubble(message=Text(Limit(1_300, 99)), most_buttons=5, most_beside_coupon=4, button_name=Limit(14, 0), accent=0),
    "IMAGE": Bubble(
        message=Text(Limit(400, 29)),  # NHN takes 1,300 since 2026-05-27, Bizgo's SDK 1.2.0 says 400: what all take
        required=frozenset({Part.IMAGE}),
        most_buttons=5,
        most_beside_coupon=4,
        button_name=Limit(14, 0),
        accent=0,
    ),
    "WIDE": Bubble(
        message=Text(_SHORT),
        required=frozenset({Part.IMAGE}),
        most_buttons=2,
        most_beside_coupon=2,
        coupon_description=_WIDE_DESCRIPTION,
    ),
    "WIDE_ITEM_LIST": Bubble(
        header=Text(_HEADER),
        required=frozenset({Part.ITEM}),
        most_buttons=2,
        most_beside_coupon=2,
        coupon_description=_WIDE_DESCRIPTION,
        always_ad=True,
    ),
    "CAROUSEL_FEED": Bubble(optional=_NONE, carousel=Cards(_FEED_CARD, 2, 6), always_ad=True),
    "PREMIUM_VIDEO": Bubble(
        message=Text(_SHORT, required=False),
        header=Text(_HEADER, required=False),
        required=frozenset({Part.VIDEO}),
        most_buttons=1,
        most_beside_coupon=1,
        coupon_description=_WIDE_DESCRIPTION,
    ),
    "COMMERCE": Bubble(
        additional_content=Text(_ADDITIONAL, required=False),
        required=frozenset({Part.IMAGE, Part.COMMERCE}),
        least_buttons=1,
        most_buttons=2,
        most_beside_coupon=2,
    ),
    "CAROUSEL_COMMERCE": Bubble(optional=_NONE, carousel=Cards(_COMMERCE_CARD, 2, 6, head=True), always_ad=True),
}

# The agencies' two letters, and those of FriendTalk's time.
LEGACY: Mapping[str, str] = {
    "FT": "TEXT", "FI": "IMAGE", "FW": "WIDE", "FL": "WIDE_ITEM_LIST", "FC": "CAROUSEL_FEED", "FP": "PREMIUM_VIDEO",
    "FM": "COMMERCE", "FA": "CAROUSEL_COMMERCE", "BI": "IMAGE", "BW": "WIDE",
}  # fmt: skip
CODE_OF: Mapping[str, str] = {bubble: code for code, bubble in LEGACY.items() if code[0] == "F"}  # as Bizgo names them

TARGETS = ("I", "M", "N")
CONSENTED = frozenset({"M", "N"})  # reach beyond the channel's friends: for approved channels, and always advertising

COUPON_TITLE = Limit(30, 0, Form.COUPON)
ITEMS_LEAST, ITEMS_MOST = 3, 4
FIRST_ITEM_TITLE, ITEM_TITLE = Limit(25, 1), Limit(30, 1)
HEAD_HEADER, HEAD_CONTENT = Limit(20, 0), Limit(50, 2)
COMMERCE_TITLE = Limit(30, 0)
VIDEO_LINK = Limit(500)
HIGHEST_PRICE, HIGHEST_FIXED_DISCOUNT = 99_999_999, 999_999


def bubble_name(message_type: str) -> str:
    """The bubble that a message_type means, legacy names included; as given when nobody knows it."""
    return LEGACY.get(message_type, message_type)
