"""mt: text messages (문자)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from functions.intake import fields
from functions.intake.faults import Fault
from functions.intake.fields import MAX_ROWS, Campaign, Common, One, Phone, line
from functions.intake.form import Form, Own, Recipient
from functions.intake.senders import registered_callback
from functions.intake.texts import Kind, no_title, text_kind
from ims.ports.registry import Template
from ims.rules.phone import recipient as mobile
from ims.runtime.clients.callers import Asker

BAD_NUMBER = Fault("phone_number", "2050", "국내 휴대전화 번호여야 합니다.", "It must be a Korean mobile number.")


class TextMessage(Common):
    """A text message (문자)."""

    message_type: Literal["SMS", "LMS", "AUTO"]
    callback: Phone
    title: line(50) = ""  # type: ignore[valid-type]


class TextOne(TextMessage, One):
    """mt/sendMessage."""

    phone_number: Phone


class TextCampaign(TextMessage, Campaign):
    """mt/sendMessages without its rows."""


class Receiver(fields.Row):
    """A row of receiver_list."""

    __pydantic_config__ = fields.STRICT  # type: ignore[misc]
    phone_number: Phone


class TextMany(TextCampaign):
    """mt/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Receiver], Field(min_length=1, max_length=MAX_ROWS)]


def read(model: TextMessage, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """The sender number, and the text and title with the limits of the type."""
    del template
    message_type = getattr(model, "message_type", "")
    if model.title and message_type == "SMS":
        faults.append(no_title("title"))
    places = [(text, "message", text_kind(message_type)), (model.title, "title", Kind.TITLE)] if message_type else []
    return Own(title=model.title, callback=registered_callback(model.callback, "callback", asker, faults), places=places)


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """A Korean mobile number."""
    to = mobile(given["phone_number"]) if "phone_number" in given else None
    return [BAD_NUMBER] if to is None else Recipient(to)


FORM = Form(
    one=TextOne,
    campaign=TextCampaign,
    many=TextMany,
    row=Receiver,
    recipient_fields=("phone_number",),
    read=read,
    recipient=recipient,
    name=("Text", "a text"),
    example={
        "message_id": "order-20270101-0001",
        "message_type": "SMS",
        "callback": "15441234",
        "phone_number": "01023456789",
        "message": "[가게] #{name}님, 주문이 접수되었습니다.",
        "mapping": {"name": "홍길동"},
    },
)
