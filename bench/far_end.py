"""The books: what was answered 0000, what the provider stub was asked to send, what the callback server was told, what
the history says. Compared message by message; none of the counts is one that IMS keeps about itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from bench.load import Row
from bench.records import Records, history_since

_PAGE = 10_000  # the stub's limit


@dataclass
class Books:
    """Counts of messages. Settled as UNKNOWN does not count as sent, nor as told."""

    accepted: int = 0
    sent_once: int = 0
    sent_more_than_once: int = 0
    never_sent: int = 0
    sent_unasked: int = 0  # to a number that nobody asked for
    told_delivered: int = 0
    told_otherwise: int = 0
    told_under_two_ids: int = 0
    history_delivered: int = 0
    history_otherwise: int = 0
    told_repeats: int = 0  # the same event id again: allowed, at least once is the promise
    process_ends: int = 0

    @property
    def agree(self) -> bool:
        n = self.accepted
        wrong = (self.sent_more_than_once, self.sent_unasked, self.told_otherwise, self.told_under_two_ids, self.history_otherwise)
        return n > 0 and n == self.sent_once == self.told_delivered == self.history_delivered and not any(wrong) and not self.process_ends

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "agree": self.agree}


class Asking(Protocol):
    """Reads JSON of a far end: a Sampler does."""

    async def json(self, which: str, path: str) -> Any: ...


@dataclass(frozen=True)
class Marks:
    """How far the lists were when a scenario began: what it looks at comes after."""

    sent: int
    told: int
    told_by: dict[str, int]  # kind of service key
    repeats: int
    settled: int
    at_ms: int


async def sent_after(ends: Asking, after: int) -> AsyncIterator[list[dict[str, Any]]]:
    """The stub's list, page by page."""
    position: int | None = after
    while position is not None:
        page = await ends.json("simulator", f"/v1/sent?after={position}&limit={_PAGE}")
        if page["sent"]:
            yield page["sent"]
        position = page["next"]


async def told_after(ends: Asking, after: int) -> AsyncIterator[list[tuple[str, str, str, int]]]:
    """The callback server's list, page by page: event id, message id, result, when (ms)."""
    while page := (await ends.json("callbacks", f"/results?after={after}"))["results"]:
        yield page
        after += len(page)


async def compare(ends: Asking, records: Records, messages: Sequence[Row], refused: Collection[int], marks: Marks) -> Books:
    """The four books about these messages."""
    ids = {row[0]: i for i, row in enumerate(messages) if i not in refused}
    numbers = {row[1]: i for i, row in enumerate(messages) if i not in refused}
    books = Books(accepted=len(ids))

    sent = bytearray(len(messages))
    async for page in sent_after(ends, marks.sent):
        for entry in page:
            index = numbers.get(entry["to"])
            if index is None:
                books.sent_unasked += 1
            else:
                sent[index] = min(sent[index] + 1, 2)
    kinds = Counter(sent[i] for i in numbers.values())
    books.sent_once, books.sent_more_than_once, books.never_sent = kinds[1], kinds[2], kinds[0]

    told: dict[int, str] = {}
    async for told_page in told_after(ends, marks.told):
        for _, message_id, result, _ in told_page:
            index = ids.get(message_id)
            if index is None:
                continue
            if index in told:
                books.told_under_two_ids += 1
            told[index] = result
    books.told_delivered = sum(result == "DELIVERED" for result in told.values())
    books.told_otherwise = len(told) - books.told_delivered
    books.told_repeats = (await ends.json("callbacks", "/stats"))["repeats"] - marks.repeats

    for message_id, result in history_since(records, marks.at_ms):
        if message_id in ids:
            books.history_delivered += result == "DELIVERED"
            books.history_otherwise += result != "DELIVERED"
    return books
