"""One mail as bytes, by the standard library's email package: what SES takes raw and SMTP sends.

Headers never hold what could end them: intake refuses it, and it is refused here again (a mail that cannot be built is a
call that was refused, nothing of it leaves). Bodies go as base64: Korean in quoted-printable is three times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from ims.errors import CallRefused
from ims.ports.providers import Outgoing, OutgoingCall
from ims.results import INTERNAL
from ims.rules.email import MAX_MAIL_BYTES, UNSUBSCRIBE, address, breaks_header, domain_of, looks_like_html, render_html
from ims.rules.plain_text import plain_text
from ims.rules.template import MissingVariable, render, variables

REF_HEADER = "X-IMS-Ref"  # comes back in bounces that quote the headers
TOO_LARGE = "5304"
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail and who gets it. `repr` shows nothing of it."""

    content: bytes
    sender: str
    to: str
    copies: tuple[str, ...]  # cc and bcc: each gets the same bytes

    def __repr__(self) -> str:
        return f"<Mail of {len(self.content)} bytes>"


def mail_of(call: OutgoingCall, member: Outgoing, now_ms: int) -> Mail:
    """The mail for one member. CallRefused when it cannot be said in a mail."""
    fields: Mapping[str, Any] = {**call.fields, **member.fields}
    values = {**member.mapping, UNSUBSCRIBE: fields.get(UNSUBSCRIBE, "")}
    try:
        message = _message(call, member, fields, values, now_ms)
        content = message.as_bytes()
        copies = tuple(_checked(a) for a in (*fields.get("cc", ()), *fields.get("bcc", ())))
    except (MissingVariable, ValueError, LookupError, UnicodeError) as exc:
        raise CallRefused(INTERNAL, type(exc).__name__) from None  # the library's own words hold the value
    if len(content) > MAX_MAIL_BYTES:
        raise CallRefused(TOO_LARGE, "size")
    return Mail(content, fields["from_email"], member.to, copies)


def _message(call: OutgoingCall, member: Outgoing, fields: Mapping[str, Any], values: Mapping[str, str], now_ms: int) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    sender = _checked(fields["from_email"])
    message["From"] = _named(fields.get("from_name", ""), sender)
    message["To"] = _named(fields.get("to_name", ""), _checked(member.to))
    if fields.get("cc"):
        message["Cc"] = [Address(addr_spec=_checked(a)) for a in fields["cc"]]
    if fields.get("reply_to"):
        message["Reply-To"] = Address(addr_spec=_checked(fields["reply_to"]))
    message["Subject"] = _line(render(fields["subject"], values))
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
    message["Message-ID"] = f"<{member.ref}@{domain_of(sender)}>"
    message[REF_HEADER] = _line(member.ref)
    if link := fields.get(UNSUBSCRIBE):
        message["List-Unsubscribe"] = f"<{_line(link)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    _write_body(message, call, member, values)
    return message


def _write_body(message: EmailMessage, call: OutgoingCall, member: Outgoing, values: Mapping[str, str]) -> None:
    if not (call.message_type == "HTML" or (call.message_type != "TEXT" and looks_like_html(member.text))):
        message.set_content(render(member.text, values), cte="base64")
        return
    html = render_html(member.text, values)
    words = plain_text(member.text)  # of the HTML with its variables: once for all its recipients
    known = set(variables(words)) <= set(variables(member.text))  # else a variable's name holds marks of HTML
    message.set_content(render(words, values) if known else plain_text.__wrapped__(html), cte="base64")
    message.add_alternative(html, subtype="html", cte="base64")


def _named(name: str, mailbox: str) -> Address:
    return Address(display_name=_line(name), addr_spec=mailbox)


def _line(text: str) -> str:
    if breaks_header(text):
        raise ValueError("a control character in a header")
    return text


def _checked(mailbox: str) -> str:
    if address(mailbox) != mailbox:
        raise ValueError("not an address")
    return mailbox
