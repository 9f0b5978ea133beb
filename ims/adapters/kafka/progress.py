"""What a group has taken of each partition and what of it is finished. Two threads use it: the consumer's and the event loop's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class _Taken:
    """One partition that is ours."""

    __slots__ = ("done", "next", "open", "stored")

    def __init__(self, position: int) -> None:
        self.open: deque[int] = deque()  # ascending; a finished one leaves when all before it have left
        self.done: set[int] = set()
        self.next = position
        self.stored = position  # what the group has stored, as far as we know

    def low(self) -> int:
        """The lowest offset that must come again after a crash. Gaps (compaction, transactions) count as finished."""
        while self.open and self.open[0] in self.done:
            self.done.remove(self.open.popleft())
        return self.open[0] if self.open else self.next


class Progress:
    """All partitions that are ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[Partition, _Taken] = {}

    def took(self, partition: Partition, offsets: Iterable[int], position: int) -> None:
        """These records are on their way; the next one to come is at `position`.

        Offsets may begin again lower (a topic was made anew, or its log was cut): what was open of the old ones is forgotten.
        """
        with self._lock:
            taken = self._taken.get(partition)
            for offset in offsets:
                if taken is None or offset < taken.next:
                    taken = self._taken[partition] = _Taken(offset)
                taken.open.append(offset)
                taken.next = offset + 1
            if taken is None:
                self._taken[partition] = _Taken(position)
            elif position > taken.next:
                taken.next = position

    def finish(self, partition: Partition, offset: int) -> None:
        """Handled. Of a partition that is not ours any more, or twice: nothing happens."""
        with self._lock:
            taken = self._taken.get(partition)
            if taken is not None and taken.open and taken.open[0] <= offset < taken.next:
                taken.done.add(offset)

    def moved(self, among: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """Offsets to store, of the partitions that came further since they were stored."""
        with self._lock:
            names = self._taken.keys() if among is None else [p for p in among if p in self._taken]
            lows = {p: self._taken[p].low() for p in names}
            return {p: low for p, low in lows.items() if low != self._taken[p].stored}

    def stored(self, offsets: Mapping[Partition, int]) -> None:
        """The group has stored them."""
        with self._lock:
            for partition, offset in offsets.items():
                if (taken := self._taken.get(partition)) is not None:
                    taken.stored = offset

    def lost(self, partitions: Iterable[Partition]) -> None:
        """Somebody else's from now on."""
        with self._lock:
            for partition in partitions:
                self._taken.pop(partition, None)

    def unfinished(self, among: Iterable[Partition]) -> int:
        """Records that were taken and are not finished."""
        with self._lock:
            return sum(len(t.open) - len(t.done) for p in among if (t := self._taken.get(p)) is not None)

    def lows(self) -> dict[Partition, int]:
        """Where each partition's lowest unfinished record is."""
        with self._lock:
            return {p: t.low() for p, t in self._taken.items()}
