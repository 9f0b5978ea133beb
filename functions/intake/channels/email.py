"""email: e-mail, text or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, Field, StringConstraints

from functions.intake import fields
from functions.intake.channels.mt import BAD_NUMBER
from functions.intake.faults import Fault
from functions.intake.fields import LINE, LINES, MAX_ROWS, Campaign, Common, One, Phone, line, nfc
from functions.intake.form import Ads, Form, Own, Recipient
from functions.intake.senders import registered_mailbox
from functions.intake.texts import Kind
from ims.lanes import Lane
from ims.ports.registry import Template
from ims.rules import law
from ims.rules.email import (
    ADDRESS_CHARACTERS,
    MAX_COPIES,
    OPT_OUT_LINK,
    SENDER_CHARACTERS,
    address,
    breaks_header,
    has_ad_mark,
    has_opt_out,
)
from ims.rules.phone import recipient as mobile
from ims.runtime.clients.callers import Asker

_RAW_CHARACTERS = 110_000  # of a text before substitution: room for long names of variables
_RAW_SUBJECT = 1_000
_LINK_STAND_IN = "https://" + "x" * 192  # as long as the link that we put there may become
_Address = Annotated[str, StringConstraints(min_length=1, max_length=ADDRESS_CHARACTERS, pattern=LINE)]
_Name = Annotated[str, StringConstraints(max_length=SENDER_CHARACTERS, pattern=LINE), BeforeValidator(nfc)]
_Copies = Annotated[list[_Address], Field(max_length=MAX_COPIES)]

BAD_ADDRESS = Fault("to_email", "2050", "보낼 수 있는 메일 주소여야 합니다.", "It must be an e-mail address that can be sent to.")


class Email(Common):
    """E-mail (이메일). EM: whether it is HTML is found from the content."""

    message_type: Literal["TEXT", "HTML", "EM"]
    from_email: Annotated[str, StringConstraints(min_length=1, max_length=SENDER_CHARACTERS, pattern=LINE)]
    from_name: _Name = ""
    reply_to: Annotated[str, StringConstraints(max_length=ADDRESS_CHARACTERS, pattern=LINE)] = ""
    subject: line(_RAW_SUBJECT, 1)  # type: ignore[valid-type]
    message: Annotated[str, StringConstraints(max_length=_RAW_CHARACTERS, pattern=LINES), BeforeValidator(nfc)] = ""


class EmailOne(Email, One):
    """email/sendMessage."""

    to_email: _Address
    to_name: _Name = ""
    cc: _Copies = Field(default_factory=list)
    bcc: _Copies = Field(default_factory=list)
    phone_number: Phone = ""  # where fallback steps that are texts find the recipient


class EmailCampaign(Email, Campaign):
    """email/sendMessages without its rows. It has no copies: one would go out for every row."""


class Receiver(fields.Row):
    """A row of receiver_list."""

    __pydantic_config__ = fields.STRICT  # type: ignore[misc]
    to_email: _Address
    to_name: NotRequired[_Name]
    phone_number: NotRequired[Phone]


class EmailMany(EmailCampaign):
    """email/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Receiver], Field(min_length=1, max_length=MAX_ROWS)]


def read(model: Email, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """Sender, copies, subject and body, and what an advertisement must carry (domain 2.2)."""
    del template
    if model.fallback and not model.fallback[0].message:  # the text before it is a mail: HTML, and longer than any text message
        faults.append(
            Fault("fallback.0.message", "2020", "이메일 다음에는 본문이 필요합니다.", "After a mail it needs words of its own.")
        )
    named = {"from_name": model.from_name, "to_name": getattr(model, "to_name", "")}
    for field, name in named.items():
        if name and (breaks_header(name) or "#{" in name):
            faults.append(Fault(field, "1400", "변수나 제어 문자를 쓸 수 없습니다.", "It holds no variables or control characters."))
    own: dict[str, Any] = {"from_email": registered_mailbox(model.from_email, "from_email", asker, faults), "subject": model.subject}
    if model.from_name:
        own["from_name"] = model.from_name
    if model.reply_to:
        own["reply_to"] = _mailbox(model.reply_to, "reply_to", faults)
    cc, bcc = getattr(model, "cc", None) or [], getattr(model, "bcc", None) or []
    if len(cc) + len(bcc) > MAX_COPIES:
        faults.append(Fault("bcc", "1400", f"cc와 bcc를 합해 최대 {MAX_COPIES}개입니다.", f"cc and bcc together are at most {MAX_COPIES}."))
    for field, given in (("cc", cc), ("bcc", bcc)):
        if given:
            own[field] = [_mailbox(one, f"{field}.{i}", faults) for i, one in enumerate(given)]
    ad = has_ad_mark(model.subject) or model.ad_flag == "Y" or model.send_class == "ad" or asker.key.kind is Lane.AD
    if ad and model.subject and not has_ad_mark(model.subject):
        faults.append(Fault("subject", law.AD_MARK.answer, "제목은 (광고)로 시작해야 합니다.", "The subject must begin with (광고)."))
    if ad and text and not has_opt_out(text):
        ko = f"본문에 수신거부 방법이 있어야 합니다. {OPT_OUT_LINK}를 쓸 수 있습니다."
        faults.append(Fault("message", law.AD_OPT_OUT.answer, ko, f"The body must tell how to opt out; {OPT_OUT_LINK} may be used."))
    places = [(text.replace(OPT_OUT_LINK, _LINK_STAND_IN), "message", Kind.MAIL), (model.subject, "subject", Kind.SUBJECT)]
    return Own(fields=own, places=places, is_ad=ad)


def _mailbox(given: str, field: str, faults: list[Fault]) -> str:
    mailbox = address(given)
    if mailbox is None:
        faults.append(Fault(field, "2050", "보낼 수 있는 메일 주소여야 합니다.", "It must be an e-mail address that can be sent to."))
    return mailbox or ""


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """An address, and the name that stands before it."""
    to = address(given["to_email"]) if "to_email" in given else None
    if to is None:
        return [BAD_ADDRESS]
    name = given.get("to_name", "")
    if breaks_header(name) or "#{" in name:
        return [Fault("to_name", "1400", "변수나 제어 문자를 쓸 수 없습니다.", "It holds no variables or control characters.")]
    phone = mobile(given["phone_number"]) if given.get("phone_number") else ""
    if phone is None:
        return [BAD_NUMBER]
    return Recipient(to, "email", {"to_name": name} if name else {}, {"phone": phone} if phone else {})


FORM = Form(
    one=EmailOne,
    campaign=EmailCampaign,
    many=EmailMany,
    row=Receiver,
    recipient_fields=("to_email", "to_name", "phone_number"),
    read=read,
    recipient=recipient,
    name=("Email", "an e-mail"),
    ads=Ads.ALWAYS,
    example={
        "message_id": "receipt-20270101-0001",
        "message_type": "HTML",
        "from_email": "no-reply@mail.shop.example",
        "from_name": "가게",
        "to_email": "hong@example.com",
        "subject": "#{name}님, 주문이 접수되었습니다",
        "message": "<p>#{name}님, 주문이 접수되었습니다.</p>",
        "mapping": {"name": "홍길동"},
    },
)
