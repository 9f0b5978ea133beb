"""What Kakao's channels share in their bodies: buttons, links, whom a message is for. Limits are in ims/rules, measured when rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, StringConstraints

from functions.intake import fields
from functions.intake.channels.mt import BAD_NUMBER
from functions.intake.faults import Fault
from functions.intake.fields import LINE, LINES, Body, Code20, Code30, nfc
from functions.intake.form import Recipient
from ims.rules.fallback import USER
from ims.rules.kakao import Wrong
from ims.rules.phone import recipient as mobile

RAW_CHARACTERS = 1_500  # of a short text or a link before substitution: room for long names of variables

ButtonType = Literal["WL", "AL", "DS", "BK", "MD", "BC", "BT", "AC", "BF", "TN", "P1", "P2", "P3"]
RawLine = Annotated[str, StringConstraints(max_length=RAW_CHARACTERS, pattern=LINE), BeforeValidator(nfc)]
RawLines = Annotated[str, StringConstraints(max_length=RAW_CHARACTERS, pattern=LINES), BeforeValidator(nfc)]
RawLink = Annotated[str, StringConstraints(max_length=RAW_CHARACTERS, pattern=LINE)]
OptionalPhone = Annotated[str, StringConstraints(max_length=20, pattern=LINE)]
AppUser = Annotated[str, StringConstraints(max_length=20, pattern=r"^[A-Za-z0-9_.:-]*$")]


class Links(Body):
    """Where a press leads."""

    url_mobile: RawLink = ""
    url_pc: RawLink = ""
    scheme_android: RawLink = ""
    scheme_ios: RawLink = ""


class Button(Links):
    """A button, or a quick reply, as Kakao's dealers take it (domain 1.3)."""

    type: ButtonType
    name: Annotated[str, StringConstraints(min_length=1, max_length=14, pattern=LINE), BeforeValidator(nfc)]
    target: Literal["", "out"] = ""
    chat_extra: Annotated[str, StringConstraints(max_length=50, pattern=LINE), BeforeValidator(nfc)] = ""
    chat_event: Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_]*$")] = ""
    tel_number: Code20 = ""
    plugin_id: Code30 = ""
    relay_id: Code30 = ""
    oneclick_id: Code30 = ""
    product_id: Code30 = ""
    biz_form_key: Code30 = ""
    biz_form_id: Code30 = ""


class Row(fields.Row):
    """A row of receiver_list: a number, or a user of the customer's app."""

    __pydantic_config__ = fields.STRICT  # type: ignore[misc]
    phone_number: NotRequired[OptionalPhone]
    app_user_id: NotRequired[AppUser]


RECIPIENT_FIELDS = ("phone_number", "app_user_id")
_NOBODY = Fault("phone_number", "2020", "phone_number 또는 app_user_id가 필요합니다.", "It needs phone_number or app_user_id.")


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """Whom the message is for; of two the phone wins [Kakao], and the user is kept for steps of other channels."""
    phone, user = given.get("phone_number", ""), given.get("app_user_id", "")
    if not phone:
        return Recipient(user, USER) if user else [_NOBODY]
    to = mobile(phone)
    if to is None:
        return [BAD_NUMBER]
    return Recipient(to, also={USER: user}) if user else Recipient(to)


def faults_of(wrongs: Iterable[Wrong]) -> list[Fault]:
    """What the rules found, as faults."""
    return [Fault(*wrong) for wrong in wrongs]
