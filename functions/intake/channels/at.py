"""at: AlimTalk (알림톡)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from functions.intake.channels.kakao import (
    RECIPIENT_FIELDS,
    AppUser,
    Button,
    OptionalPhone,
    RawLine,
    RawLines,
    Row,
    faults_of,
    recipient,
)
from functions.intake.faults import Fault
from functions.intake.fields import LINE, MAX_ROWS, Body, Campaign, Common, Key40, One
from functions.intake.form import Ads, Form, Own
from functions.intake.senders import registered_profile
from functions.intake.texts import Measure
from ims.ports.registry import Template
from ims.rules import alimtalk
from ims.runtime.clients.callers import Asker


class Described(Body):
    """A row of an item list, its summary, or its highlight."""

    title: Annotated[RawLine, Field(min_length=1)]
    description: Annotated[RawLine, Field(min_length=1)]


_Described = list[Described]  # a field called list hides the type inside its class


class Items(Body):
    """An item list (아이템리스트형)."""

    list: Annotated[_Described, Field(min_length=1, max_length=alimtalk.MOST_ITEMS)]
    summary: Described | None = None


class Attachment(Body):
    """What hangs below an AlimTalk."""

    button: Annotated[list[Button], Field(max_length=alimtalk.MOST_BUTTONS)] = Field(default_factory=list)
    item: Items | None = None
    item_highlight: Described | None = None


class Supplement(Body):
    """Quick replies (바로연결)."""

    quick_reply: Annotated[list[Button], Field(max_length=alimtalk.MOST_QUICK_REPLIES)] = Field(default_factory=list)


class AlimTalk(Common):
    """AlimTalk (알림톡)."""

    message_type: Literal["AT", "AI"]
    sender_key: Key40
    template_code: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=LINE)]
    title: RawLines = ""
    header: RawLine = ""
    attachment: Attachment = Attachment()
    supplement: Supplement = Supplement()
    country_code: Literal["", "82"] = ""


class AlimTalkOne(AlimTalk, One):
    """at/sendMessage. One of phone_number and app_user_id is required; of both the phone is used."""

    phone_number: OptionalPhone = ""
    app_user_id: AppUser = ""


class AlimTalkCampaign(AlimTalk, Campaign):
    """at/sendMessages without its rows."""


class AlimTalkMany(AlimTalkCampaign):
    """at/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]


def read(model: AlimTalk, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """Profile, and everything that hangs on an AlimTalk."""
    del template
    attachment: dict[str, Any] = model.attachment.model_dump(exclude_defaults=True)
    supplement: dict[str, Any] = model.supplement.model_dump(exclude_defaults=True)
    faults += faults_of(alimtalk.structure(attachment, supplement))
    places: list[tuple[str, str, Measure]] = [
        (text, "message", alimtalk.text_limit(attachment)),
        (model.title, "title", alimtalk.TITLE),
        (model.header, "header", alimtalk.HEADER),
        *alimtalk.places(getattr(model, "message_type", ""), attachment, supplement),
    ]
    return Own(
        title=model.title,
        sender_key=registered_profile(model.sender_key, asker, faults),
        header=model.header,
        attachment=attachment,
        supplement=supplement,
        places=places,
    )


FORM = Form(
    one=AlimTalkOne,
    campaign=AlimTalkCampaign,
    many=AlimTalkMany,
    row=Row,
    recipient_fields=RECIPIENT_FIELDS,
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
