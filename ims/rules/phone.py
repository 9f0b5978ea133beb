"""Korean telephone numbers: what a client may write, and which of them can receive or send a text.

Domestic digits (01012345678) are what IMS keeps. `phonenumbers` is not used: it calls 010-0123-4567 valid, knows no
030, and costs 50 us a number. Numbers of other countries are not served yet.
"""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = str.maketrans("", "", " \t-.\u2010\u2012\u2013\u2212")  # NFKC has made U+2011 and full-width forms into these

# 010 with its assigned ranges; the ended 01x services, whose numbers still forward here and there; 050 safe numbers
# (reachable by SMS at some agencies). Landlines, 15xx and 070 cannot receive.
_RECIPIENT = re.compile(r"010[2-9][0-9]{7}|01[16789][0-9]{7,8}|050[0-9]{8,9}")

# [agency] rules of pre-registration: 010, area codes, 070 and 010 without their unassigned 0 and 1 ranges, 080, 030,
# and 15xx/16xx/18xx without an area code. Never 050 or short numbers.
_CALLBACK = re.compile(
    r"010[2-9][0-9]{7}|070[2-9][0-9]{7}|080[0-9]{7,8}|030[0-9]{8,9}"
    r"|02[0-9]{7,8}|0(?:3[1-3]|4[1-4]|5[1-5]|6[1-4])[0-9]{7,8}|1[568][0-9]{6}"
)


def _domestic(raw: str) -> str:
    """Digits as they are dialled in Korea, or something that no pattern takes."""
    digits = unicodedata.normalize("NFKC", raw).translate(_SEPARATORS)
    if digits.startswith("+"):
        if not digits.startswith("+82"):
            return ""
        digits = digits[1:]
    elif digits.startswith("0082"):
        digits = digits[2:]
    if not digits.startswith("82"):
        return digits
    rest = digits[2:]
    return rest if rest.startswith(("0", "1")) and (rest[:1] == "0" or len(rest) == 8) else f"0{rest}"


def recipient(raw: str) -> str | None:
    """The number that a text or an AlimTalk goes to, normalised; none when it cannot receive one."""
    if _RECIPIENT.fullmatch(raw):
        return raw
    digits = _domestic(raw)
    return digits if _RECIPIENT.fullmatch(digits) else None


def callback(raw: str) -> str | None:
    """A sender number, normalised; none when its form is not allowed. Whether it is registered is another question."""
    if _CALLBACK.fullmatch(raw):
        return raw
    digits = _domestic(raw)
    return digits if _CALLBACK.fullmatch(digits) else None
