"""What people agreed to, by customer, channel and purpose (정보통신망법 제50조①·③), for customers that keep it with IMS."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

AD = "ad"  # advertisements
NIGHT = "night"  # advertisements from 21:00 to 08:00 as well: a consent of its own, which means nothing without the other
PURPOSES = (AD, NIGHT)
MOST_WRITTEN = 500  # statements in one write


class Statement(NamedTuple):
    """What somebody said, at a moment of theirs (milliseconds)."""

    recipient: bytes  # keyed index
    channel: str
    purpose: str
    agreed: bool  # otherwise withdrawn
    at: int
    source: str = ""  # where it was said
    wording: str = ""  # the version of what was agreed to


class Count(NamedTuple):
    """How many people of a customer agreed on a channel to a purpose, and how many of all who ever did withdrew it."""

    customer: str
    channel: str
    purpose: str
    agreed: int
    withdrawn: int


class Consents(Protocol):
    """Looked up before every call, never cached: a consent counts, and ends, from the moment it is known."""

    async def given(self, customer: str, channel: str, recipients: Sequence[bytes]) -> Mapping[bytes, Collection[str]]:
        """The purposes that these recipients agree to now. Nothing is there for who never agreed, or withdrew since."""
        ...

    async def record(self, customer: str, said: Sequence[Statement]) -> None:
        """Keep at most MOST_WRITTEN statements. The latest moment counts, in whatever order and however often they are
        recorded; of the same moment the withdrawal. Rejected 1404 when there is no such customer."""
        ...
