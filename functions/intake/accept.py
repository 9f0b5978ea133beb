"""Acceptance: checked messages become birth events, durably, before anybody is told 0000 (design invariant 2).

Events form under pressure: single requests that came while the last commit was on its way and share every field which is
not a row's go into one event. A lone one-time code waits for nothing. A slice of a list is one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.intake.validate import Accepted, AcceptedRow, Many, RowError, Slice, shared_key
from ims import topics
from ims.errors import Later, Rejected
from ims.lanes import EVENT_BYTES, TRAITS, Lane
from ims.ports.records import Birth, Existing, Reservation
from ims.protocol.envelope import Emit
from ims.protocol.events import MessageAccepted, Row, Shared
from ims.protocol.ids import acceptance_key, new_birth
from ims.rules.send_by import send_by
from ims.runtime.context import Context
from ims.runtime.gather import Gatherer
from ims.runtime.stage import new_trace
from ims.telemetry import ACCEPTED

FLUSH_MOST = 256  # single requests in one commit
WAITING_MOST = 4_096  # single requests that may wait per kind; more are told 9998 at once
_TRIES = 4

Outcome = str  # fresh, replayed


@dataclass(slots=True)
class Entry:
    """One message on its way in."""

    shared: Shared
    row: AcceptedRow
    lane: Lane
    digest: bytes
    send_by: int  # 0: the lane's limit after acceptance
    trace: str
    key: bytes


class Acceptor:
    """One per process; a gatherer per kind of service key, so that kinds never share a commit."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kinds = {kind: self._gatherer(kind) for kind in Lane}

    def _gatherer(self, kind: Lane) -> Gatherer[Entry, Outcome]:
        async def flush(entries: Sequence[Entry]) -> Sequence[Outcome | BaseException]:
            return await self._accept(kind, entries)

        return Gatherer(flush, most=FLUSH_MOST, waiting=WAITING_MOST)

    async def single(self, kind: Lane, accepted: Accepted, trace: str) -> Outcome:
        """Accept one message; Rejected 2030 when its id had other content."""
        row = accepted.row
        key = acceptance_key(accepted.shared.service_key, row.message_id)
        return await self._kinds[kind].put(Entry(accepted.shared, row, accepted.lane, accepted.digest, accepted.send_by_ms, trace, key))

    async def rows(self, kind: Lane, many: Many, part: Slice, trace: str) -> list[RowError]:
        """Accept a slice; the rows whose id had other content."""
        shared = many.shared
        entries = [
            Entry(shared, row, many.lane, digest, many.send_by_ms, trace, acceptance_key(shared.service_key, row.message_id))
            for _, row, digest in part.rows
        ]
        errors = []
        for (index, row, _), outcome in zip(part.rows, await self._accept(kind, entries), strict=True):
            if isinstance(outcome, Rejected):
                errors.append(RowError(index, row.message_id, outcome.code))
            elif isinstance(outcome, BaseException):
                raise outcome
        return errors

    async def _accept(self, kind: Lane, entries: Sequence[Entry]) -> list[Outcome | BaseException]:
        """One commit for what is new; what was there is replayed or refused."""
        outcomes: list[Outcome | BaseException] = [""] * len(entries)
        first: dict[bytes, int] = {}
        twins: list[tuple[int, int]] = []
        for i, entry in enumerate(entries):
            if entry.key in first:
                twins.append((i, first[entry.key]))
            else:
                first[entry.key] = i
        waiting = first
        for _ in range(_TRIES):
            births, reservations = self._form([entries[i] for i in waiting.values()])
            existing = await self._ctx.acceptance.accept(kind, reservations, births) if births else []
            if not existing:
                for i in waiting.values():
                    outcomes[i] = "fresh"
                for birth in births:
                    ACCEPTED.labels(birth.channel, birth.lane.value).inc(birth.rows)
                break
            for birth_id in {e.birth for e in existing if not e.accepted and e.digest == entries[first[e.key]].digest}:
                await self._ctx.acceptance.complete(kind, birth_id)
            for e in existing:
                outcomes[first[e.key]] = _judge(e, entries[first[e.key]].digest)
            gone = {e.key for e in existing}
            waiting = {key: i for key, i in waiting.items() if key not in gone}
        else:
            raise Later("the same ids are being sent elsewhere at this moment")
        for i, original in twins:
            outcomes[i] = "replayed" if entries[i].digest == entries[original].digest else Rejected("2030", "message_id")
        return outcomes

    def _form(self, entries: Sequence[Entry]) -> tuple[list[Birth], list[Reservation]]:
        """Birth events of up to 200 rows and about 48 KiB that share every field which is not a row's."""
        now = self._ctx.clock()
        groups: dict[tuple[bytes, int], list[Entry]] = {}
        keys: dict[int, bytes] = {}
        for entry in entries:
            identity = id(entry.shared)
            shared = keys.get(identity)
            if shared is None:
                shared = keys[identity] = shared_key(entry.shared)
            groups.setdefault((shared, entry.send_by if entry.shared.expires_at else 0), []).append(entry)
        births: list[Birth] = []
        reservations: list[Reservation] = []
        for group in groups.values():
            start = 0
            while start < len(group):
                end = _cut(group, start, TRAITS[group[0].lane].batch_rows)
                births.append(self._birth(group[start:end], now, reservations))
                start = end
        return births, reservations

    def _birth(self, entries: Sequence[Entry], now: int, reservations: list[Reservation]) -> Birth:
        head = entries[0]
        lane, shared = head.lane, head.shared
        id_ = new_birth(lane, now)
        rows = []
        for pos, e in enumerate(entries):
            r = e.row
            trace = e.trace[3:35] if e.trace != head.trace else ""
            rows.append(
                Row(
                    pos=pos, message_id=r.message_id, to=r.to, to_kind=r.to_kind, fields=r.fields, also=r.also,
                    mapping=r.mapping, bill_code=r.bill_code, text=r.text, trace=trace,
                )
            )  # fmt: skip
            reservations.append(Reservation(e.key, e.digest, id_, pos, now))
        by = send_by(shared.channel, lane, now, shared.expires_at)
        data = MessageAccepted(birth=id_, attempt=1, received_at=now, send_by=by, shared=shared, rows=rows)
        emit = Emit(topics.recv(shared.channel, lane), id_, data, id_, lane, shared.channel)
        record = self._ctx.envelopes.seal(emit, head.trace or new_trace(), now)
        return Birth(id_, lane, shared.service_key, shared.channel, len(rows), now, record, shared.campaign_id)


def _cut(group: Sequence[Entry], start: int, most: int) -> int:
    size = 0
    for end in range(start, min(len(group), start + most)):
        row = group[end].row
        size += 120 + len(row.message_id) + 3 * len(row.text or "") + sum(len(k) + 3 * len(v) for k, v in row.mapping.items())
        if row.to_kind:  # longer than a number: a push token may have hundreds of characters
            size += len(row.to) + len(repr(row.fields)) + len(repr(row.also))
        if size > EVENT_BYTES and end > start:
            return end
    return min(len(group), start + most)


def _judge(existing: Existing, digest: bytes) -> Outcome | Rejected:
    return "replayed" if existing.digest == digest else Rejected("2030", "message_id")
