"""What `report` emits: settled messages by service key and endpoint, and the next step of a fallback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from functions.report.fold import Folding
from ims import topics
from ims.ports.dispatch import CallOutcome, CallStatus, Member, Told
from ims.protocol.envelope import Emit, Event
from ims.protocol.events import MessageAccepted, MessageSettled, Row, Settled, SettledGroup, Shared
from ims.protocol.ids import derived
from ims.rules.fallback import step_row, step_shared

SETTLED_ROWS = 200  # results in one event


@dataclass(frozen=True, slots=True)
class Folded:
    """A row after folding, with the birth event that its messages came in."""

    folding: Folding
    payload: MessageAccepted


def settled(event: Event, folded: Iterable[Folded]) -> Iterator[Emit]:
    """Results told because of this event. Same cause, same events: the order is that of the rows and positions."""
    by_endpoint: dict[tuple[str, str], list[tuple[Folded, list[Settled]]]] = {}
    for f in folded:
        told = f.folding.told()
        if told:
            shared = f.payload.shared
            rows = {r.pos: r for r in f.payload.rows}
            at_once = f.folding.dispatch.calls
            outcomes = [dict(zip(c.members, c.outcomes, strict=True)) if c.status == CallStatus.DONE else {} for c in at_once]
            results = [_settled(f.folding, m, t, rows[m.pos], shared, outcomes) for m, t in told]
            by_endpoint.setdefault((shared.service_key, shared.callback_url), []).append((f, results))
    for (key, url), parts in by_endpoint.items():
        for index, groups in enumerate(_slices(parts)):
            first = parts[0][0].payload.shared
            data = MessageSettled(service_key=key, customer=first.customer, callback_url=url, groups=groups)
            id_ = derived(event.id, f"settled|{key}|{url}", index)
            yield Emit(topics.result(event.lane), id_, data, event.subject, event.lane, event.channel)


def _slices(parts: Sequence[tuple[Folded, list[Settled]]]) -> Iterator[list[SettledGroup]]:
    groups: list[SettledGroup] = []
    size = 0
    for f, results in parts:
        shared = f.payload.shared
        for start in range(0, len(results), SETTLED_ROWS):
            part = results[start : start + SETTLED_ROWS]
            if groups and size + len(part) > SETTLED_ROWS:
                yield groups
                groups, size = [], 0
            groups.append(
                SettledGroup(
                    birth=f.payload.birth,
                    received_at=f.payload.received_at,
                    channel=shared.channel,
                    campaign_id=shared.campaign_id,
                    template_code=shared.template_code,
                    results=part,
                )
            )
            size += len(part)
    if groups:
        yield groups


def _settled(
    folding: Folding, member: Member, told: Told, row: Row, shared: Shared, outcomes: Sequence[Mapping[int, CallOutcome]]
) -> Settled:
    """`outcomes`: of each call, by position."""
    d = folding.dispatch
    call = folding.call_of(member)
    outcome = outcomes[member.call].get(member.pos) if call and not told.provider_code else None
    return Settled(
        pos=member.pos,
        message_id=row.message_id,
        number=told.number,
        attempt=d.attempt,
        report_type=told.report_type or shared.channel.code,
        report_code=told.code,
        result=told.result,
        report_at=told.at,
        previous=told.previous,
        bill_code=row.bill_code,
        to=row.to,
        provider=call.provider if call else "",
        provider_code=told.provider_code or (outcome.provider_code if outcome else ""),
        distributed_at=d.distributed_at,
        sent_at=call.first_at if call else 0,
        answered_at=call.answered_at if call else 0,
    )


def next_attempt(event: Event, f: Folded) -> Iterator[Emit]:
    """The members that this event handed on, as an accepted event of the next attempt: same birth, same positions."""
    members = {m.pos for m in f.folding.stepped()}
    if not members or f.folding.next_step is None:
        return
    attempt = f.folding.dispatch.attempt + 1
    shared = step_shared(f.payload.shared, attempt)
    reworded = any(s.text is not None for s in f.payload.shared.fallback[: attempt - 1])  # the step's text, not the row's
    rows = [step_row(r, shared, reworded=reworded) for r in f.payload.rows if r.pos in members]
    data = MessageAccepted(
        birth=f.payload.birth, attempt=attempt, received_at=f.payload.received_at, send_by=f.payload.send_by, shared=shared, rows=rows
    )
    id_ = derived(event.id, f"step|{f.payload.birth}", attempt)
    yield Emit(topics.recv(shared.channel, event.lane), id_, data, f.payload.birth, event.lane, shared.channel)
