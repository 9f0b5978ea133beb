"""SES's notifications in our reports: deliveries, bounces, complaints, both as event publishing and as feedback notifications say them.

A notification may name several people: only what is about the message's own recipient is told, copies are a courtesy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import getaddresses

import msgspec

from ims.adapters.providers.mail_status import of_status
from ims.adapters.providers.mime import REF_HEADER
from ims.adapters.providers.ses.calls import TAG
from ims.errors import Rejected
from ims.protocol.events import DeliveryReport
from ims.results import INTERNAL, SUCCESS

_SUPPRESSED, _COMPLAINT = "5901", "5902"
_STATUS = re.compile(r"[45]\.\d{1,3}\.\d{1,3}")
_SUB = {"NoEmail": "5101", "Suppressed": _SUPPRESSED, "OnAccountSuppressionList": _SUPPRESSED, "MailboxFull": "4202"}


class _Header(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Common(msgspec.Struct):
    to: list[str] = []


class _Mail(msgspec.Struct, rename="camel"):
    destination: list[str] = []
    headers: list[_Header] = []
    common_headers: _Common | None = None
    tags: dict[str, list[str]] = {}


class _Person(msgspec.Struct, rename="camel"):
    email_address: str = ""
    status: str = ""


class _Bounce(msgspec.Struct, rename="camel"):
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: list[_Person] = []
    timestamp: str = ""


class _Complaint(msgspec.Struct, rename="camel"):
    complained_recipients: list[_Person] = []
    timestamp: str = ""


class _Delivery(msgspec.Struct):
    recipients: list[str] = []
    timestamp: str = ""


class _Notification(msgspec.Struct, rename="camel"):
    event_type: str = ""  # event publishing
    notification_type: str = ""  # feedback notifications
    mail: _Mail | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None


_NOTIFICATION = msgspec.json.Decoder(_Notification)


def reports(message: str, now_ms: int) -> list[DeliveryReport]:
    """The report in a notification, or none. Rejected when it is not one of SES's."""
    try:
        told = _NOTIFICATION.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as exc:
        raise Rejected("1400", detail="not a notification of SES") from exc
    if told.mail is None:
        return []  # "Successfully validated SNS topic": SES tries a topic once
    ref, ours = _ref(told.mail), _ours(told.mail)
    if not ref:
        return []
    match told.event_type or told.notification_type:
        case "Delivery" if told.delivery and _about(told.delivery.recipients, ours):
            return [_report(ref, "delivered", SUCCESS, "Delivery", told.delivery.timestamp, now_ms)]
        case "Bounce" if told.bounce:
            for person in told.bounce.bounced_recipients:
                if _about([person.email_address], ours):
                    given = f"{told.bounce.bounce_type}/{told.bounce.bounce_sub_type}"[:60]
                    return [_report(ref, "failed", _code(told.bounce, person), given, told.bounce.timestamp, now_ms)]
        case "Complaint" if told.complaint and _about((p.email_address for p in told.complaint.complained_recipients), ours):
            return [_report(ref, "failed", _COMPLAINT, "Complaint", told.complaint.timestamp, now_ms)]
        case "Reject":
            return [_report(ref, "failed", "5000", "Reject", "", now_ms)]
        case "Rendering Failure":
            return [_report(ref, "failed", INTERNAL, "Rendering Failure", "", now_ms)]
    return []  # sends, delays, opens and clicks settle nothing


def _report(ref: str, status: str, code: str, given: str, at: str, now_ms: int) -> DeliveryReport:
    return DeliveryReport(ref=ref, status=status, code=code, reported_at=_epoch_ms(at, now_ms), provider_code=given, report_type="EM")


def _code(bounce: _Bounce, person: _Person) -> str:
    final = bounce.bounce_type == "Permanent"
    sub = _SUB.get(bounce.bounce_sub_type, "")
    if sub == _SUPPRESSED:
        return sub
    if _STATUS.fullmatch(person.status) and (person.status[0] == "5") == final:
        code = of_status(person.status)
        if code not in ("4000", "5000"):
            return code
    if sub and (sub[0] == "5") == final:
        return sub
    return "5000" if final else "4000"


def _ref(mail: _Mail) -> str:
    for value in mail.tags.get(TAG, []):
        return value
    return next((h.value for h in mail.headers if h.name.lower() == REF_HEADER.lower()), "")


def _ours(mail: _Mail) -> set[str]:
    """The message's own recipient, in small letters: who stands in To."""
    written = mail.common_headers.to if mail.common_headers else [h.value for h in mail.headers if h.name.lower() == "to"]
    return {a.lower() for _, a in getaddresses(written[:50])} or {a.lower() for a in mail.destination[:1]}


def _about(addresses: Iterable[str], ours: set[str]) -> bool:
    return any(a.lower() in ours for _, a in getaddresses(list(addresses)[:50]))


def _epoch_ms(text: str, now_ms: int) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return now_ms  # the report itself is good
