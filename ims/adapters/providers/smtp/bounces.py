"""What comes back to the envelope sender: delivery status notifications (RFC 3464) and complaints (RFC 5965), in ours.

The ref stands in the address that the bounce was sent to (VERP), in its envelope id, or in the headers of ours that it quotes;
one without is nothing of ours. A mail can be anything: only its first BOUNCE_BYTES are looked at, and what is no report of a
machine (an out-of-office answer, a letter) is no report at all.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from email import policy
from email.message import Message
from email.parser import BytesParser

from ims.adapters.providers.mail_status import enhanced, of_status
from ims.adapters.providers.mime import REF_HEADER
from ims.errors import Misconfigured, Rejected
from ims.protocol.events import DeliveryReport
from ims.results import SUCCESS

BOUNCE_BYTES = 128 * 1024  # a notification stands before the mail that it quotes
_PARTS = 30  # of a mail that are looked into
_LEAST_SECRET = 16
_COMPLAINT = "5902"
_REF = r"([0-9a-z]{27})"
_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
_DONE = frozenset({"delivered", "relayed", "expanded"})  # relayed: to a server that will not report, so nothing more is told


def envelope(sender: str, ref: str) -> str:
    """The envelope sender of one mail."""
    local, _, host = sender.partition("@")
    return f"{local}+{ref}@{host}"


def verify(secret: str, headers: Mapping[str, str]) -> None:
    """`Authorization: Bearer <secret>`. What makes a report believable beyond that is the unguessable ref in it."""
    if len(secret.strip()) < _LEAST_SECRET:
        raise Misconfigured(f"IMS_SMTP_BOUNCE_SECRET has fewer than {_LEAST_SECRET} characters")
    given = next((v for k, v in headers.items() if k.lower() == "authorization"), "")
    if not hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
        raise Rejected("1401", "authorization")


def reports(body: bytes, sender: str, now_ms: int) -> list[DeliveryReport]:
    """The report in a bounce, or none. Rejected when it cannot be read as a mail."""
    try:
        mail = BytesParser(policy=policy.compat32).parsebytes(body[:BOUNCE_BYTES])
        parts = list(_parts(mail))
    except (RecursionError, LookupError, ValueError, AttributeError, TypeError) as exc:
        raise Rejected("1400", detail="not a mail") from exc
    if not mail.keys():
        raise Rejected("1400", detail="not a mail")
    ref = _ref(parts, sender)
    told = _told(parts)
    if not ref or told is None:
        return []
    status, code, given = told
    return [DeliveryReport(ref=ref, status=status, code=code, reported_at=now_ms, provider_code=given, report_type="EM")]


def _parts(mail: Message) -> Iterator[Message]:
    """The mail and what is in it, outermost first, up to a limit (a delivery-status part holds its groups as parts)."""
    waiting = [mail]
    seen = 0
    while waiting and seen < _PARTS:
        part = waiting.pop(0)
        seen += 1
        yield part
        payload = part.get_payload()
        if isinstance(payload, list):
            waiting += [p for p in payload if isinstance(p, Message)]


def _ref(parts: list[Message], sender: str) -> str:
    local, _, host = sender.partition("@")
    verp = re.compile(rf"{re.escape(local)}\+{_REF}@{re.escape(host)}", re.IGNORECASE)
    exactly = re.compile(_REF, re.IGNORECASE)
    for name in _TO:
        if match := verp.search(_text(parts[0], name)):
            return match[1].lower()
    for part in parts:
        for name in ("Original-Envelope-Id", REF_HEADER):
            if match := exactly.fullmatch(_text(part, name).strip()):
                return match[1].lower()
        for name in ("Return-Path", "Original-Mail-From"):
            if match := verp.search(_text(part, name)):
                return match[1].lower()
    return ""


def _told(parts: list[Message]) -> tuple[str, str, str] | None:
    """(status, our code, theirs) as the machine says it."""
    if any(part.get_content_type() == "message/feedback-report" for part in parts):
        return "failed", _COMPLAINT, "complaint"
    for part in parts:
        action = _text(part, "Action").split("(")[0].strip().lower()
        if action in _DONE:
            return "delivered", SUCCESS, action
        if action == "failed":
            status = _text(part, "Status").split("(")[0].strip()
            if not re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", status):
                status = enhanced(_text(part, "Diagnostic-Code")) or "5.0.0"
            return "failed", of_status(status), status
    return None  # delayed, an answer of a person or of an absent one (5903: no bounce), or another mail


def _text(part: Message, name: str) -> str:
    value = part.get(name)
    return "" if value is None else str(value)[:1_000]
