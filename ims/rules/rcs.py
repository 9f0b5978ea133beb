"""What an RCS message may hold, by its type (domain 1.5). Where documents disagree the smaller number stands."""

from __future__ import annotations

from dataclasses import dataclass

TITLE_CHARACTERS = 30
LINK_CHARACTERS = 500  # a guess: as a template's link of Kakao's
LABEL_CHARACTERS = 17  # of a button; 7 on the cross-platform kind
FOOTER_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class RcsLimits:
    """Of one kind of message."""

    characters: int
    buttons: int
    title: bool
    media: bool
    messagebase_id: str = ""  # of the common format that everybody may use; empty: a registered one must be named
    fallback: bool = True


_SMS = RcsLimits(100, 1, title=False, media=False, messagebase_id="SS000000")
_LMS = RcsLimits(1_300, 3, title=True, media=False, messagebase_id="SL000000")  # NHN's overview says 6, its guide 3
_MMS = RcsLimits(1_300, 2, title=True, media=True, messagebase_id="SMwThM00")  # one card, a picture of medium height
_TEXT_TEMPLATE = RcsLimits(90, 1, title=False, media=False)
_IMAGE_TEMPLATE = RcsLimits(500, 2, title=True, media=True, fallback=False)
_BY_TYPE = {"SMS": _SMS, "LMS": _LMS, "MMS": _MMS}


def limits_of(message_type: str, *, media: bool) -> RcsLimits:
    """The limits of a message; a template with a picture is another kind than one without."""
    return _BY_TYPE.get(message_type) or (_IMAGE_TEMPLATE if media else _TEXT_TEMPLATE)
