"""at: AlimTalk (알림톡)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from functions.intake import fields
from functions.intake.channels.kakao import Attachment, Supplement, links
from functions.intake.channels.mt import BAD_NUMBER
from functions.intake.faults import Fault
from functions.intake.fields import LINE, MAX_ROWS, Campaign, Common, Key40, One, Phone, line
from functions.intake.form import Ads, Form, Own, Recipient
from functions.intake.senders import registered_profile
from functions.intake.texts import Kind
from ims.ports.registry import Template
from ims.rules.phone import recipient as mobile
from ims.runtime.clients.callers import Asker


class AlimTalk(Common):
    """AlimTalk (알림톡)."""

    message_type: Literal["AT", "AI"]
    sender_key: Key40
    template_code: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=LINE)]
    title: line(50) = ""  # type: ignore[valid-type]
    header: line(16) = ""  # type: ignore[valid-type]
    attachment: Attachment = Attachment()
    supplement: Supplement = Supplement()
    country_code: Literal["", "82"] = ""


class AlimTalkOne(AlimTalk, One):
    """at/sendMessage."""

    phone_number: Phone


class AlimTalkCampaign(AlimTalk, Campaign):
    """at/sendMessages without its rows."""


class Receiver(fields.Row):
    """A row of receiver_list."""

    __pydantic_config__ = fields.STRICT  # type: ignore[misc]
    phone_number: Phone


class AlimTalkMany(AlimTalkCampaign):
    """at/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Receiver], Field(min_length=1, max_length=MAX_ROWS)]


def read(model: AlimTalk, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """Profile, and everything that hangs on an AlimTalk."""
    del template
    return Own(
        title=model.title,
        sender_key=registered_profile(model.sender_key, asker, faults),
        header=model.header,
        attachment=model.attachment.model_dump(exclude_defaults=True),
        supplement=model.supplement.model_dump(exclude_defaults=True),
        places=list(_places(model, text, faults)),
    )


def _places(model: AlimTalk, text: str, faults: list[Fault]) -> Iterator[tuple[str, str, Kind]]:
    yield text, "message", Kind.ALIMTALK
    yield model.title, "title", Kind.ALIMTALK_TITLE
    yield model.header, "header", Kind.HEADER
    yield from links(model.attachment.button, "attachment.button", "4002", faults)
    yield from links(model.supplement.quick_reply, "supplement.quick_reply", "4003", faults)


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """A Korean mobile number."""
    to = mobile(given["phone_number"]) if "phone_number" in given else None
    return [BAD_NUMBER] if to is None else Recipient(to)


FORM = Form(
    one=AlimTalkOne,
    campaign=AlimTalkCampaign,
    many=AlimTalkMany,
    row=Receiver,
    recipient_fields=("phone_number",),
    read=read,
    recipient=recipient,
    name=("AlimTalk", "an AlimTalk"),
    ads=Ads.NEVER,
    empty_values=False,
    example={
        "message_id": "ship-20270101-0001",
        "message_type": "AT",
        "sender_key": "0123456789abcdef0123456789abcdef01234567",
        "template_code": "SHIP01",
        "phone_number": "01023456789",
        "message": "#{name}님, 상품이 출발했습니다.",
        "mapping": {"name": "홍길동"},
        "fallback": {"type": "AUTO", "callback": "15441234", "after_s": 60},
    },
)
