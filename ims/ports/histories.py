"""What became of a customer's messages, asked for later: counters and history rows of one service key, over all lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Counted(NamedTuple):
    """A sum of the day's counters. RECEIVED stands under the code of the channel asked for, results under what was sent."""

    report_type: str
    result: str
    messages: int


class Place(NamedTuple):
    """A row of the history: whose lane and id sort as its time does, to 2.6 s."""

    birth: str
    pos: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a service key. Empty words and an empty period ask for nothing; times are milliseconds UTC, `until` is outside."""

    service_key: str
    channels: Sequence[str]  # codes of those asked for
    since: int
    until: int
    recipient: bytes = b""  # keyed index of a number, address or user id
    report_type: str = ""
    result: str = ""
    report_code: str = ""
    bill_code: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, the newest first, by column. `next`: where to go on, none at the end; a page may hold fewer rows than asked for and go on."""

    rows: Sequence[dict[str, Any]]
    next: Place | None


class Histories(Protocol):
    """Reads. Each answer is exact as of its moment; a row stands there as soon as its result can be read."""

    async def counted(self, service_key: str, first: str, last: str) -> list[Counted]:
        """Sums over calendar days (yyyy-mm-dd, Asia/Seoul, both inside), by type and result; those that are zero are left out."""
        ...

    async def at(self, service_key: str, place: Place) -> dict[str, Any] | None:
        """The row of a message, while it is that service key's; none before its first result."""
        ...

    async def page(self, wanted: Wanted, after: Place | None, size: int) -> Page:
        """Up to so many rows, from the newest or from after a place. What a page costs is bounded, whatever is in between."""
        ...
