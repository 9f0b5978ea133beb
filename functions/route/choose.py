"""Which type goes out: the one that was asked for, or for AUTO the cheapest that the rendered text fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ims import topics
from ims.protocol.envelope import Emit, Event
from ims.protocol.events import MessageAccepted, MessageRefused, Refusal, Row, SendRequested, Shared
from ims.protocol.ids import derived
from ims.rules import text as texts
from ims.rules.template import MissingVariable, render
from ims.topics import TYPE_OF, Channel, SendType

UNENCODABLE = "7110"
VARIABLE_MISSING = "7113"


def type_of(shared: Shared, row: Row) -> SendType:
    """The type of one row. MissingVariable when its text cannot be rendered (intake has rendered it once: our fault)."""
    if shared.channel != Channel.MT:
        return TYPE_OF[shared.channel]
    if shared.message_type != "AUTO":
        return SendType(shared.message_type)
    if shared.fields.get("attach_file_list"):
        return SendType.MMS
    return SendType(texts.chosen_type(shared.title, texts.byte_count(render(row.text or shared.text or "", row.mapping))))


def route(event: Event, accepted: MessageAccepted, now: int) -> Iterator[Emit]:
    """One send.requested per type that occurs, positions kept; what cannot be typed is refused, member by member."""
    shared = accepted.shared
    by_type: dict[SendType, Sequence[Row]] = {}
    refusals: list[Refusal] = []
    if shared.channel != Channel.MT or shared.message_type != "AUTO" or shared.fields:
        by_type[type_of(shared, accepted.rows[0])] = accepted.rows
    else:
        split: dict[SendType, list[Row]] = {}
        for row in accepted.rows:
            try:
                split.setdefault(type_of(shared, row), []).append(row)
            except MissingVariable:
                refusals.append(Refusal(pos=row.pos, result="REJECTED", code=VARIABLE_MISSING))
            except ValueError:
                refusals.append(Refusal(pos=row.pos, result="REJECTED", code=UNENCODABLE))
        by_type.update(split)
    for send_type, rows in by_type.items():
        data = SendRequested(
            birth=accepted.birth,
            attempt=accepted.attempt,
            received_at=accepted.received_at,
            send_by=accepted.send_by,
            distributed_at=now,
            send_type=send_type,
            shared=shared,
            rows=list(rows),
        )
        topic = topics.send(send_type, event.lane)
        yield Emit(topic, derived(event.id, f"send-{send_type}"), data, event.subject, event.lane, event.channel)
    if refusals:
        refused = MessageRefused(birth=accepted.birth, attempt=accepted.attempt, stage="route", refusals=refusals)
        yield Emit(topics.report(event.lane), derived(event.id, "refused"), refused, event.subject, event.lane, event.channel)
