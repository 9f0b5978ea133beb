"""Delivery reports that wait, by account: built for a whole call at once, handed out under a lease, oldest first.

A chunk is the reports of one call that read alike. It holds its refs as one string, and becomes JSON by one replacement,
so a report costs its ref in memory and next to nothing in time. Chunk ids are computed from the call, so that an
acknowledgement read from the journal finds its chunk again after a restart.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from ims.adapters.providers.simulator.journal import Member, Taken
from ims.adapters.providers.simulator.magic import MAGIC, Told

_ARRIVES = Told()


@dataclass(slots=True)
class Chunk:
    """Reports of one call with one code and one time."""

    id: str
    due_ms: int
    refs: str  # joined by line breaks
    count: int
    status: str
    code: str
    send_type: str
    told: bool = False  # acknowledged

    def json(self) -> str:
        """The reports, separated by commas, as `ims.protocol.events.DeliveryReport` has them."""
        rest = (
            f'","status":"{self.status}","code":"{self.code}","reported_at":{self.due_ms},"report_type":"{self.send_type}"}}'
        )
        return '{"ref":"' + self.refs.replace("\n", rest + ',{"ref":"') + rest


def chunks_of(taken: Taken, magic: bool, scale: float) -> list[Chunk]:
    """All reports that a call will ever have. `magic`: whether any of its numbers may be one."""
    send_type = taken.call.send_type
    groups: dict[Told, list[str]] = {}
    if not magic:
        groups[_ARRIVES] = [m.ref for _, m in taken.accepted()]
    else:
        for _, member in taken.accepted():
            for told in _told(member):
                groups.setdefault(told, []).append(member.ref)
    chunks: list[Chunk] = []
    for told, refs in groups.items():
        due = taken.at + int(told.after_s * scale * 1000)
        id_ = f"{taken.index}.{len(chunks)}"
        chunks.append(Chunk(id_, due, "\n".join(refs), len(refs), told.status(send_type), told.code(send_type), send_type))
    return [chunk for chunk in chunks if chunk.count]


def _told(member: Member) -> Iterable[Told]:
    magic = MAGIC.get(member.to)
    return (_ARRIVES,) if magic is None else magic.reports


@dataclass(slots=True)
class Batch:
    """Chunks that were handed out together."""

    id: str
    chunks: list[Chunk]
    until_ms: int  # the lease's end
    tries: int = 0

    def json(self) -> bytes:
        return ("[" + ",".join(chunk.json() for chunk in self.chunks) + "]").encode()


@dataclass(slots=True)
class Waiting:
    """The reports of one account. Not acknowledged within the lease: handed out again."""

    lease_ms: int
    name: str
    _heap: list[tuple[int, int, Chunk]] = field(default_factory=list)
    _out: dict[str, Batch] = field(default_factory=dict)
    _counter: int = 0

    def add(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self._counter += 1
            heapq.heappush(self._heap, (chunk.due_ms, self._counter, chunk))

    def take(self, now_ms: int, limit: int) -> Batch | None:
        """The oldest reports that are due, about `limit`: chunks are not cut, so one larger than that comes alone."""
        for batch in [b for b in self._out.values() if b.until_ms <= now_ms]:
            self.give_back(batch)
        chunks: list[Chunk] = []
        count = 0
        while self._heap and self._heap[0][0] <= now_ms:
            chunk = self._heap[0][2]
            if chunks and count + chunk.count > limit:
                break
            heapq.heappop(self._heap)
            if not chunk.told:
                chunks.append(chunk)
                count += chunk.count
        if not chunks:
            return None
        self._counter += 1
        batch = Batch(f"{self.name}-{now_ms:x}-{self._counter}", chunks, now_ms + self.lease_ms)
        self._out[batch.id] = batch
        return batch

    def give_back(self, batch: Batch, not_before_ms: int = 0) -> None:
        """Let a batch be handed out again; with `not_before_ms`, not at once."""
        self._out.pop(batch.id, None)
        for chunk in batch.chunks:
            self._counter += 1
            heapq.heappush(self._heap, (max(chunk.due_ms, not_before_ms), self._counter, chunk))

    def settle(self, batch_id: str) -> list[Chunk] | None:
        """Take an acknowledgement; None: no such batch is out."""
        batch = self._out.pop(batch_id, None)
        if batch is None:
            return None
        for chunk in batch.chunks:
            chunk.told = True
        return batch.chunks

    def next_due_ms(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def count(self) -> int:
        """Reports that nobody has acknowledged."""
        waiting = sum(entry[2].count for entry in self._heap if not entry[2].told)
        return waiting + sum(chunk.count for batch in self._out.values() for chunk in batch.chunks)
