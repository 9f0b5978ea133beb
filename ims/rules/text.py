"""Texts as the carriers count them: NFC, LF line breaks, CP949 bytes.

CP949 and not `euc_kr`: Python's euc_kr writes 8,822 of the 11,172 syllables in 8 bytes, so it miscounts silently.
"""

from __future__ import annotations

import unicodedata

SMS_BYTES = 90
LMS_BYTES = 2_000
TITLE_BYTES = 50
ALIMTALK_CHARACTERS = 1_300  # since 2025-10-28 [Kakao]; a provider may allow less


class Unencodable(ValueError):
    """A character that a text message cannot carry: the first one, and where it stands."""

    def __init__(self, character: str, position: int) -> None:
        super().__init__(f"U+{ord(character):04X} at {position}")
        self.character = character
        self.position = position


def normalise(text: str) -> str:
    """NFC with LF line breaks: what is counted, compared and sent. (macOS writes Hangul as NFD.)"""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def byte_count(text: str) -> int:
    """Bytes in CP949. Unencodable for the first character that it does not have (emoji, accents, zero-width space)."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("cp949"))
    except UnicodeEncodeError as exc:
        raise Unencodable(text[exc.start], exc.start) from None


def chosen_type(title: str, size_bytes: int) -> str:
    """What AUTO becomes: SMS while it fits and has no title, else LMS."""
    return "SMS" if not title and size_bytes <= SMS_BYTES else "LMS"
