"""bt: brand messages (브랜드메시지). What a bubble may hold is data in ims/rules/brand.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from functions.intake import fields
from functions.intake.channels.kakao import (
    RECIPIENT_FIELDS,
    AppUser,
    Button,
    Links,
    OptionalPhone,
    RawLine,
    RawLines,
    RawLink,
    Row,
    faults_of,
    recipient,
)
from functions.intake.faults import Fault
from functions.intake.fields import MAX_ROWS, Body, Campaign, Common, Flag, Key40, One, Text
from functions.intake.form import Form, Own
from functions.intake.senders import registered_profile
from functions.intake.texts import Measure
from ims.ports.registry import Template
from ims.rules.brand import HIGHEST_FIXED_DISCOUNT, HIGHEST_PRICE, Mode, bubble_name
from ims.rules.brand_check import VARIABLES, places, structure
from ims.rules.kakao import FREE_LINK_CHARACTERS
from ims.rules.limits import Limit
from ims.runtime.clients.callers import Asker

_MOST_CARDS = 6
_MOST_VARIABLES = 40
_VALUE = Limit(1_300)
_IMAGE_URL = Annotated[str, StringConstraints(min_length=1, max_length=FREE_LINK_CHARACTERS, pattern=r"^https?://[^\x00-\x20\x7F]+$")]

BubbleType = Literal[
    "TEXT", "IMAGE", "WIDE", "WIDE_ITEM_LIST", "CAROUSEL_FEED", "PREMIUM_VIDEO", "COMMERCE", "CAROUSEL_COMMERCE",
    "FT", "FI", "FW", "FL", "FC", "FP", "FM", "FA", "BI", "BW",
]  # fmt: skip
Price = Annotated[int, Field(ge=0, le=HIGHEST_PRICE)]
Value = Annotated[str, StringConstraints(max_length=1_300, pattern=fields.LINES)] | Annotated[int, Field(ge=0, le=HIGHEST_PRICE)]
Values = Annotated[dict[Annotated[str, StringConstraints(min_length=1, max_length=60)], Value], Field(max_length=_MOST_VARIABLES)]


class Image(Body):
    """An image in Kakao's own store."""

    img_url: _IMAGE_URL
    img_link: RawLink = ""


class Item(Links):
    """A row of a wide item list."""

    title: RawLines = ""
    img_url: _IMAGE_URL
    url_mobile: Annotated[RawLink, Field(min_length=1)]


_Items = list[Item]  # a field called list hides the type inside its class


class ItemList(Body):
    """The rows of a wide item list."""

    list: Annotated[_Items, Field(min_length=1, max_length=10)]


class Coupon(Links):
    """A coupon at the bottom of a bubble."""

    title: Annotated[RawLine, Field(min_length=1)]
    description: Annotated[RawLine, Field(min_length=1)]


class Commerce(Body):
    """A price block."""

    title: Annotated[RawLine, Field(min_length=1)]
    regular_price: Price
    discount_price: Price | None = None
    discount_rate: Annotated[int, Field(ge=1, le=100)] | None = None  # 0 is refused since 2026-08-04 (Bizgo)
    discount_fixed: Annotated[int, Field(ge=0, le=HIGHEST_FIXED_DISCOUNT)] | None = None


class Video(Body):
    """A video of Kakao TV."""

    video_url: Annotated[RawLink, Field(min_length=1)]
    thumbnail_url: RawLink = ""


class CardAttachment(Body):
    """What a card of a carousel holds beside its texts."""

    button: Annotated[list[Button], Field(max_length=5)] = Field(default_factory=list)
    image: Image | None = None
    coupon: Coupon | None = None
    commerce: Commerce | None = None


class Attachment(CardAttachment):
    """What a bubble holds beside its texts."""

    item: ItemList | None = None
    video: Video | None = None


class Head(Links):
    """The intro of a carousel."""

    header: Annotated[RawLine, Field(min_length=1)]
    content: Annotated[RawLines, Field(min_length=1)]
    image_url: _IMAGE_URL


class Tail(Links):
    """The button after the last card."""

    url_mobile: Annotated[RawLink, Field(min_length=1)]


class Card(Body):
    """A card of a carousel."""

    header: RawLine = ""
    message: RawLines = ""
    additional_content: RawLines = ""
    attachment: CardAttachment = CardAttachment()


_Cards = list[Card]


class Carousel(Body):
    """Cards beside each other."""

    head: Head | None = None
    list: Annotated[_Cards, Field(min_length=1, max_length=_MOST_CARDS)]
    tail: Tail | None = None


class CardVariables(Body):
    """The variables of one card."""

    message_variable: Values = Field(default_factory=dict)
    button_variable: Values = Field(default_factory=dict)
    coupon_variable: Values = Field(default_factory=dict)
    image_variable: Values = Field(default_factory=dict)
    commerce_variable: Values = Field(default_factory=dict)


class BrandMessage(Common):
    """A brand message (브랜드메시지)."""

    message_type: BubbleType
    send_mode: Literal["free", "basic", "variable"] = "free"
    targeting: Literal["I", "M", "N"] = "I"
    sender_key: Key40
    ad_flag: Flag = "Y"
    push_alarm: Flag = "Y"
    message: Text = ""
    header: RawLine = ""
    additional_content: RawLines = ""
    attachment: Attachment = Attachment()
    carousel: Carousel | None = None
    message_variable: Values = Field(default_factory=dict)
    button_variable: Values = Field(default_factory=dict)
    coupon_variable: Values = Field(default_factory=dict)
    image_variable: Annotated[list[Values], Field(max_length=_MOST_CARDS)] = Field(default_factory=list)
    video_variable: Values = Field(default_factory=dict)
    commerce_variable: Values = Field(default_factory=dict)
    carousel_variable: Annotated[list[CardVariables], Field(max_length=_MOST_CARDS)] = Field(default_factory=list)
    country_code: Literal["", "82"] = ""


class BrandOne(BrandMessage, One):
    """bt/sendMessage. One of phone_number and app_user_id is required; of both the phone is used."""

    phone_number: OptionalPhone = ""
    app_user_id: AppUser = ""


class BrandCampaign(BrandMessage, Campaign):
    """bt/sendMessages without its rows."""


class BrandMany(BrandCampaign):
    """bt/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]


def read(model: Any, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """Everything of a bubble, its form checked and its texts named. A brand message is an advertisement unless it says otherwise."""
    del template
    mode, ad = Mode(model.send_mode), model.ad_flag == "Y"
    content = model.model_dump(include=set(_CONTENT), exclude_defaults=True)
    kind = bubble_name(getattr(model, "message_type", ""))
    checked = {**content, "template_code": model.template_code} | ({} if mode is Mode.VARIABLE else {"message": text})
    faults += faults_of(structure(kind, mode, model.targeting, ad, checked))
    return Own(
        sender_key=registered_profile(model.sender_key, asker, faults),
        header=content.get("header", ""),
        attachment=content.get("attachment", {}),
        fields={name: value for name, value in content.items() if name not in ("header", "attachment", "message")}
        | {"send_mode": mode.value, "targeting": model.targeting, "ad_flag": model.ad_flag, "push_alarm": model.push_alarm},
        places=[*places(kind, mode, {**content, "message": text}), *_values(content)],
        is_ad=ad,
        needs_text=False,  # which of its texts a bubble needs is said by its rules
    )


_CONTENT = ("message", "header", "additional_content", "attachment", "carousel", *VARIABLES)


def _values(content: dict[str, Any]) -> Iterator[tuple[str, str, Measure]]:
    """The values of a template's variables, which may hold variables of the mapping themselves."""
    for name in VARIABLES:
        yield from _strings(content.get(name), name)


def _strings(value: Any, at: str) -> Iterator[tuple[str, str, Measure]]:
    if isinstance(value, str):
        yield value, at, _VALUE
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _strings(inner, f"{at}.{i}")


FORM = Form(
    one=BrandOne,
    campaign=BrandCampaign,
    many=BrandMany,
    row=Row,
    recipient_fields=RECIPIENT_FIELDS,
    read=read,
    recipient=recipient,
    name=("BrandMessage", "a brand message"),
    example={
        "message_id": "sale-20270101-0001",
        "message_type": "TEXT",
        "send_mode": "free",
        "targeting": "I",
        "sender_key": "0123456789abcdef0123456789abcdef01234567",
        "phone_number": "01023456789",
        "message": "#{name}님께 드리는 새해 혜택",
        "attachment": {
            "button": [{"name": "혜택 보기", "type": "WL", "url_mobile": "https://shop.example/new"}],
            "coupon": {"title": "1000원 할인 쿠폰", "description": "오늘 하루만", "url_mobile": "https://shop.example/coupon"},
        },
        "mapping": {"name": "홍길동"},
    },
)
