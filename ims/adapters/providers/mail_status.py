"""What a mail server says, in our codes: the enhanced status x.y.z (RFC 3463) as xyzz, else 4000 or 5000 (domain 3.3)."""

from __future__ import annotations

import re

from ims.results import listed

_STATUS = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_LOOKED_AT = 200  # characters of an answer: the status stands at its beginning
_DETAIL_DIGITS = 2


def enhanced(text: str) -> str:
    """The first enhanced status of a failure in a text; empty where there is none."""
    match = _STATUS.search(text, 0, _LOOKED_AT)
    return match[0] if match else ""


def of_status(status: str) -> str:
    """Our code for an enhanced status such as 5.1.1; what is not in our table is any temporary, or any final, failure."""
    match = _STATUS.fullmatch(status)
    if match is None:
        return "5000"
    code = match[1] + match[2] + match[3].zfill(_DETAIL_DIGITS)
    return code if listed("email", code) else f"{match[1]}000"


def of_reply(reply: int, text: str) -> tuple[str, str]:
    """(our code, what the server said in digits) of a 4yz or 5yz. The class is the reply's: a 550 that says 4.4.7 is final."""
    status = enhanced(text)
    final = reply >= 500
    if status and status[0] != ("5" if final else "4"):
        status = ""
    return of_status(status) if status else ("5000" if final else "4000"), f"{reply} {status}".strip()
