"""How an advertisement by text must begin and end (정보통신망법 제50조④, 시행령 별표 6; domain/korean-messaging.md 2.2)."""

from __future__ import annotations

import re

from ims.rules.lane import AD_MARK

# The two openings that carriers and agencies look for, with a free number of 080 (7 or 8 digits after it) as the very end.
_OPT_OUT = re.compile(r"무료\s?(?:수신\s?)?거부\s?:?\s?080[-\s]?\d{3,4}[-\s]?\d{4}\s*$")


def lacks(text: str) -> tuple[str, str] | None:
    """What an advertisement's text lacks, in Korean and English. Both ends must be literal, not the value of a variable."""
    if not text.lstrip().startswith(AD_MARK):
        return f"{AD_MARK}로 시작해야 합니다.", f"It must begin with {AD_MARK}."
    if not _OPT_OUT.search(text):
        return "'무료수신거부 080-xxx-xxxx'로 끝나야 합니다.", "It must end with 무료수신거부 and a number of 080."
    return None
