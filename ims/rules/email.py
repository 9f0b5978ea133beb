"""E-mail: addresses, the limits of a message, values in HTML. Without I/O; used by intake and by who builds the mail.

An address is ASCII: a local part of RFC 5321 without quotes, and a domain (international ones as xn--). A local part that
needs SMTPUTF8 is refused: SES does not take it, and of other servers one never knows. Addresses are kept in small letters,
so that an opt-out holds for every way to write one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from ims.rules.lane import AD_MARK
from ims.rules.template import render

ADDRESS_CHARACTERS = 254  # RFC 5321, erratum 1690
SENDER_CHARACTERS = 100  # contract 1: from_email and from_name
SUBJECT_CHARACTERS = 255  # contract 1
BODY_CHARACTERS = 100_000  # Gmail cuts a message off at 102 KB; what is larger belongs into an attachment or behind a link
MAX_COPIES = 20  # cc and bcc together: SES takes 50 recipients of a message, and each copy is a mail of its own by SMTP; a guess
MAX_ATTACHMENTS = 10  # domain 1.7
MAX_MAIL_BYTES = 30 * 1024 * 1024  # domain 1.7: 30 MB with files; SES takes 40 MB after base64

OPT_OUT_LINK = "#{unsubscribe_url}"  # in an ad's text: the link that we make for each recipient
UNSUBSCRIBE = "unsubscribe_url"
_OPT_OUT_WORDS = ("수신거부", "unsubscribe")
_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")
_ADDRESS = re.compile(rf"({_LOCAL})@({_DOMAIN.pattern})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TAGS = re.compile(r"<(?:!doctype html|html|head|body|div|p|br|table|a|span|img|h[1-6]|ul|ol|b|strong)\b[^<>]*>", re.IGNORECASE)
_HTML_LOOKED_AT = 20_000  # characters; a mail that has no tag by then is text


def domain(text: str) -> str | None:
    """A domain name as the DNS spells it; none when it is not one of at least two labels."""
    name = text.strip().lower()
    if not name.isascii():
        import idna  # 20 ms, and few need it

        try:
            name = idna.encode(name, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return name if len(name) <= 253 and _DOMAIN.fullmatch(name) else None


def address(text: str) -> str | None:
    """The address as it is kept and sent to; none when it is not one that we can send to."""
    lowered = text.strip().lower()
    if lowered.isascii():
        match = _ADDRESS.fullmatch(lowered)
        good = match is not None and len(match[1]) <= 64 and len(match[2]) <= 253 and len(lowered) <= ADDRESS_CHARACTERS
        return lowered if good else None
    local, _, host = lowered.rpartition("@")
    name = domain(host)
    return address(f"{local}@{name}") if name and local.isascii() else None


def domain_of(mailbox: str) -> str:
    """The domain of a checked address."""
    return mailbox.rpartition("@")[2]


def breaks_header(text: str) -> bool:
    """Whether a text would end a header and begin another: line breaks, NUL, every other control."""
    return _CONTROL.search(text) is not None


def looks_like_html(text: str) -> bool:
    """What EM ("found from the content") means: a tag that people write in mails."""
    return _TAGS.search(text, 0, _HTML_LOOKED_AT) is not None


def render_html(text: str, mapping: Mapping[str, str]) -> str:
    """The HTML with its values escaped: they are words of people, never tags."""
    if "#{" not in text:
        return text
    return render(text, {name: escape(value) for name, value in mapping.items()})


def has_ad_mark(subject: str) -> bool:
    """Whether a subject begins as that of an advertisement must, with nothing before it (domain 2.2)."""
    return subject.startswith(AD_MARK)


def has_opt_out(text: str) -> bool:
    """Whether a text tells how to refuse: the link that we fill in, or words of the customer's own way."""
    lowered = text.lower()
    return OPT_OUT_LINK in text or any(word in lowered.replace(" ", "") for word in _OPT_OUT_WORDS)
