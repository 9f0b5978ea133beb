"""ft: FriendTalk (친구톡), which ended on 2025-12-31. Its requests go out as free brand messages to the channel's friends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from functions.intake.channels import bt
from functions.intake.channels.kakao import RECIPIENT_FIELDS, AppUser, Button, OptionalPhone, Row, recipient
from functions.intake.faults import Fault
from functions.intake.fields import MAX_ROWS, Body, Campaign, Common, Flag, Key40, One
from functions.intake.form import Form, Own
from ims.ports.registry import Template
from ims.runtime.clients.callers import Asker


class Attachment(Body):
    """What hangs on a FriendTalk."""

    button: Annotated[list[Button], Field(max_length=5)] = Field(default_factory=list)
    image: bt.Image | None = None
    coupon: bt.Coupon | None = None


class FriendTalk(Common):
    """FriendTalk (친구톡)."""

    message_type: Literal["FT", "FI", "FW"]
    sender_key: Key40
    ad_flag: Flag = "Y"
    push_alarm: Flag = "Y"
    attachment: Attachment = Attachment()
    country_code: Literal["", "82"] = ""


class FriendOne(FriendTalk, One):
    """ft/sendMessage. One of phone_number and app_user_id is required; of both the phone is used."""

    phone_number: OptionalPhone = ""
    app_user_id: AppUser = ""


class FriendCampaign(FriendTalk, Campaign):
    """ft/sendMessages without its rows."""


class FriendMany(FriendCampaign):
    """ft/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]


class _AsBrandMessage:
    """A FriendTalk with the fields that it lacks as a brand message."""

    send_mode, targeting = "free", "I"

    def __init__(self, model: FriendTalk) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def read(model: FriendTalk, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """As a brand message reads it."""
    return bt.read(_AsBrandMessage(model), text, template, asker, faults)


FORM = Form(
    one=FriendOne,
    campaign=FriendCampaign,
    many=FriendMany,
    row=Row,
    recipient_fields=RECIPIENT_FIELDS,
    read=read,
    recipient=recipient,
    name=("FriendTalk", "a FriendTalk"),
    example={
        "message_id": "friend-20270101-0001",
        "message_type": "FT",
        "sender_key": "0123456789abcdef0123456789abcdef01234567",
        "phone_number": "01023456789",
        "message": "새해 복 많이 받으세요.",
    },
)
