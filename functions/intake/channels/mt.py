"""mt: text messages (문자)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from functions.intake import fields
from functions.intake.faults import Fault
from functions.intake.fields import MAX_ROWS, Campaign, Common, FileKey, One, Phone, line
from functions.intake.form import Form, Own, Recipient, WantedFile
from functions.intake.senders import registered_callback
from functions.intake.texts import Kind, no_title, text_kind
from ims.ports.registry import Template
from ims.rules.files import USES
from ims.rules.phone import recipient as mobile
from ims.runtime.clients.callers import Asker

BAD_NUMBER = Fault("phone_number", "2050", "국내 휴대전화 번호여야 합니다.", "It must be a Korean mobile number.")


class TextMessage(Common):
    """A text message (문자)."""

    message_type: Literal["SMS", "LMS", "MMS", "AUTO"]
    callback: Phone
    title: line(50) = ""  # type: ignore[valid-type]
    attach_file_list: Annotated[list[FileKey], Field(max_length=USES["mms"].count_most)] = Field(default_factory=list)


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
    return Own(
        title=model.title,
        callback=registered_callback(model.callback, "callback", asker, faults),
        places=places,
        fields={"attach_file_list": list(model.attach_file_list)} if model.attach_file_list else {},
        files=_files(model, message_type, faults),
    )


def _files(model: TextMessage, message_type: str, faults: list[Fault]) -> list[WantedFile]:
    """An MMS is what has pictures: it needs one, SMS and LMS have none, AUTO becomes an MMS by them."""
    keys = model.attach_file_list
    if message_type == "MMS" and not keys:
        faults.append(Fault("attach_file_list", "2020", "MMS에는 필수 항목입니다.", "An MMS requires it."))
    if message_type in {"SMS", "LMS"} and keys:
        ko, en = "MMS 또는 AUTO에만 사용할 수 있습니다.", "Only an MMS, or AUTO, has files."
        faults.append(Fault("attach_file_list", "4002", ko, en))
    if len(set(keys)) != len(keys):
        faults.append(Fault("attach_file_list", "2070", "같은 파일이 두 번 있습니다.", "A file stands twice."))
    return [WantedFile(key, f"attach_file_list.{i}", "mms") for i, key in enumerate(keys)]


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
