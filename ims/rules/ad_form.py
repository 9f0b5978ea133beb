"""How an advertisement by text must begin and end (정보통신망법 제50조④, 시행령 별표 6; domain/korean-messaging.md 2.2).

Its title does not count, nor does the value of a variable: a text has its marks before substitution, or has none after it.
"""

from __future__ import annotations

import re

from ims.rules.lane import AD_MARK

# The two openings that carriers and agencies look for, with a free number of 080 (7 or 8 digits after it) as the very end.
_OPT_OUT = re.compile(r"무료\s?(?:수신\s?)?거부\s?:?\s?080[-\s]?\d{3,4}[-\s]?\d{4}\s*$")
_WORD = re.compile(r"[^\W_]")


def lacks(text: str) -> tuple[str, str] | None:
    """What an advertisement's text lacks, in Korean and English: the mark, a name after it, or the way to refuse at the end.

    Who the sender is can only be guessed at: whatever letters stand between the mark and the first variable are a name.
    """
    text = text.lstrip()
    if not text.startswith(AD_MARK):
        return f"{AD_MARK}로 시작해야 합니다.", f"It must begin with {AD_MARK}."
    end = _OPT_OUT.search(text)
    if end is None:
        return "'무료수신거부 080-xxx-xxxx'로 끝나야 합니다.", "It must end with 무료수신거부 and a number of 080."
    if not _WORD.search(text[len(AD_MARK) : end.start()].partition("#{")[0]):
        return f"{AD_MARK} 바로 뒤에 업체명이 있어야 합니다.", f"The sender's name must follow {AD_MARK}."
    return None
