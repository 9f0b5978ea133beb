"""rcs: RCS messages, sent by a brand's chatbot (domain 1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from functions.intake import fields
from functions.intake.channels.mt import BAD_NUMBER
from functions.intake.faults import Fault
from functions.intake.fields import LINE, LINES, MAX_ROWS, Body, Campaign, Code20, Common, FileKey, Link, One, Phone, Text, line, nfc
from functions.intake.form import Form, Own, Recipient, WantedFile
from functions.intake.texts import Measure
from ims.ports.registry import Template
from ims.rules import law
from ims.rules.lane import is_ad
from ims.rules.limits import Limit
from ims.rules.phone import callback as callback_number
from ims.rules.phone import recipient as mobile
from ims.rules.rcs import FOOTER_CHARACTERS, LABEL_CHARACTERS, LINK_CHARACTERS, TITLE_CHARACTERS, RcsLimits, limits_of
from ims.runtime.clients.callers import Asker

_OPT_OUT = re.compile(r"무료\s*(수신)?\s*거부")
_TIME = r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$"


class RcsBody(Body):
    """The card. `message` may stand in the place of `description`."""

    title: line(TITLE_CHARACTERS * 4) = ""  # type: ignore[valid-type]
    description: Text = ""
    media: FileKey | Literal[""] = ""


class RcsButton(Body):
    """A button below the card."""

    type: Literal["URL", "DIAL", "CALENDAR"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=LABEL_CHARACTERS, pattern=LINE), BeforeValidator(nfc)]
    url: Link = ""
    phone_number: Code20 = ""
    start_time: Annotated[str, StringConstraints(pattern=_TIME)] = ""
    end_time: Annotated[str, StringConstraints(pattern=_TIME)] = ""
    title: line(100) = ""  # type: ignore[valid-type]
    description: Annotated[str, StringConstraints(max_length=500, pattern=LINES), BeforeValidator(nfc)] = ""


class RcsMessage(Common):
    """An RCS message."""

    message_type: Literal["SMS", "LMS", "MMS", "TEMPLATE"]
    brand_key: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.-]+$")]
    callback: Phone
    messagebase_id: Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    body: RcsBody = Field(default_factory=RcsBody)
    buttons: Annotated[list[RcsButton], Field(max_length=6)] = Field(default_factory=list)
    header: Literal["", "0", "1"] = ""
    footer: line(FOOTER_CHARACTERS) = ""  # type: ignore[valid-type]
    expiry_option: Literal["1", "2", "3", "4"] = "1"


class RcsOne(RcsMessage, One):
    """rcs/sendMessage."""

    phone_number: Phone


class RcsCampaign(RcsMessage, Campaign):
    """rcs/sendMessages without its rows."""


class RcsReceiver(fields.Row):
    """A row of receiver_list."""

    __pydantic_config__ = fields.STRICT  # type: ignore[misc]
    phone_number: Phone


class RcsMany(RcsCampaign):
    """rcs/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[RcsReceiver], Field(min_length=1, max_length=MAX_ROWS)]


def written(model: RcsMessage) -> str:
    """The text as the client gave it: in `message`, or in the card."""
    return model.message or model.body.description


def read(model: RcsMessage, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """Brand, chatbot and card, with the limits of the kind; the marks of an advertisement."""
    del template
    message_type = getattr(model, "message_type", "")
    limits = limits_of(message_type, media=bool(model.body.media))
    if model.message and model.body.description:
        ko, en = "message와 body.description 중 하나만 사용하십시오.", "Give either message or body.description."
        faults.append(Fault("body.description", "1400", ko, en))
    places: list[tuple[str, str, Measure]] = []
    if message_type:
        faults += _card(model, message_type, limits)
        field = "body.description" if model.body.description else "message"
        places = [(text, field, Limit(limits.characters)), (model.body.title, "body.title", Limit(TITLE_CHARACTERS))]
    places += _buttons(model, limits if message_type else None, faults)
    ad = model.header == "1" or model.ad_flag == "Y" or is_ad(text)
    if ad:
        faults += _marks(model, text)
    card = {"title": model.body.title, "media": model.body.media}
    return Own(
        callback=_chatbot(model, asker, faults),
        fields={
            "brand_key": model.brand_key,
            "messagebase_id": model.messagebase_id or limits.messagebase_id,
            "expiry_option": model.expiry_option,
        }
        | ({"body": kept} if (kept := {name: value for name, value in card.items() if value}) else {})
        | ({"buttons": [button.model_dump(exclude_defaults=True) for button in model.buttons]} if model.buttons else {})
        | ({"header": "1", "footer": model.footer} if model.header == "1" else {}),
        places=places,
        files=[WantedFile(model.body.media, "body.media", "rcs")] if model.body.media else [],
        is_ad=ad,
    )


def _card(model: RcsMessage, message_type: str, limits: RcsLimits) -> Iterator[Fault]:
    if not model.messagebase_id and not limits.messagebase_id:
        yield Fault("messagebase_id", "2020", "TEMPLATE에는 필수 항목입니다.", "A TEMPLATE requires it.")
    if model.body.title and not limits.title:
        yield Fault("body.title", "1400", "이 유형에는 제목을 쓸 수 없습니다.", "This type has no title.")
    if model.body.media and not limits.media:
        yield Fault("body.media", "4002", "이 유형에는 이미지를 쓸 수 없습니다.", "This type has no picture.")
    if message_type == "MMS" and not model.body.media:
        yield Fault("body.media", "2020", "MMS에는 필수 항목입니다.", "An MMS requires it.")
    if model.fallback and not limits.fallback:
        yield Fault("fallback", "1400", "이미지 템플릿은 대체발송을 할 수 없습니다.", "A template with a picture has no fallback.")
    if model.footer and model.header != "1":
        yield Fault("footer", "1400", "header가 1일 때만 사용합니다.", "It goes with header 1.")


def _marks(model: RcsMessage, text: str) -> Iterator[Fault]:
    """Either the handset's own label and number, or both in the text, as the cross-platform kind has them (domain 2.2)."""
    if model.header == "1":
        if not model.footer:
            yield Fault("footer", law.AD_OPT_OUT.answer, "수신거부 번호가 필요합니다.", "An advertisement needs the number for opting out.")
    elif text and not (is_ad(text) and _OPT_OUT.search(text)):
        ko = "header와 footer를 쓰거나, 본문을 (광고)로 시작하고 무료수신거부를 표기하십시오."
        yield Fault("message", law.AD_MARK.answer, ko, "Use header and footer, or begin the text with (광고) and name a free opt-out.")


def _buttons(model: RcsMessage, limits: RcsLimits | None, faults: list[Fault]) -> Iterator[tuple[str, str, Measure]]:
    if limits and len(model.buttons) > limits.buttons:
        most = limits.buttons
        faults.append(Fault("buttons", "4002", f"이 유형은 버튼이 최대 {most}개입니다.", f"This type has at most {most} buttons."))
    for i, button in enumerate(model.buttons):
        at = f"buttons.{i}"
        for field in _NEEDS[button.type]:
            if not getattr(button, field):
                faults.append(Fault(f"{at}.{field}", "4002", f"{button.type}에는 필수 항목입니다.", f"{button.type} requires it."))
        if "#{" in button.name:
            faults.append(Fault(f"{at}.name", "4002", "버튼 이름에 변수를 쓸 수 없습니다.", "A button's name holds no variables."))
        for field in ("start_time", "end_time"):
            if (given := getattr(button, field)) and not _is_time(given):
                faults.append(Fault(f"{at}.{field}", "4002", "존재하지 않는 시각입니다.", "There is no such time."))
        yield button.url, f"{at}.url", Limit(LINK_CHARACTERS)


_NEEDS = {"URL": ("url",), "DIAL": ("phone_number",), "CALENDAR": ("start_time", "end_time", "title")}


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _chatbot(model: RcsMessage, asker: Asker, faults: list[Fault]) -> str:
    """The sender number in its normal form: a chatbot of the brand, and the brand one of the customer's."""
    directory, customer, brand = asker.directory, asker.customer.name, model.brand_key
    if brand and not directory.owns_brand(customer, brand):
        faults.append(Fault("brand_key", "2052", "등록되지 않은 RCS 브랜드입니다.", "The RCS brand is not registered."))
        return ""
    if not model.callback or not brand:
        return ""
    number = callback_number(model.callback)
    if number is None or not directory.owns_chatbot(customer, brand, number):
        faults.append(Fault("callback", "2051", "이 브랜드의 대화방 번호가 아닙니다.", "It is no chatbot of this brand."))
    return number or ""


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """A Korean mobile number."""
    to = mobile(given["phone_number"]) if "phone_number" in given else None
    return [BAD_NUMBER] if to is None else Recipient(to)


FORM = Form(
    one=RcsOne,
    campaign=RcsCampaign,
    many=RcsMany,
    row=RcsReceiver,
    recipient_fields=("phone_number",),
    read=read,
    recipient=recipient,
    written=written,
    name=("Rcs", "an RCS message"),
    example={
        "message_id": "rcs-20270101-0001",
        "message_type": "LMS",
        "brand_key": "BR.shop01",
        "callback": "15441234",
        "phone_number": "01023456789",
        "body": {"title": "배송 안내", "description": "#{name}님, 주문하신 상품이 출발했습니다."},
        "buttons": [{"type": "URL", "name": "배송 조회", "url": "https://shop.example.com/orders"}],
        "mapping": {"name": "홍길동"},
        "fallback": {"type": "AUTO", "callback": "15441234"},
    },
)
