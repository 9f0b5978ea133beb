"""report: the only stage that changes a message's state; folds outcomes, starts fallback steps, tells results.

Consumes REPORT-{lane}: send.finished, message.refused, delivery.reported, deadline.passed. Emits message.settled to
RESULT-{lane} and message.accepted (attempt n+1) to RECV-MT-{lane}. A report that finds no row is answered 503: rows are
written before calls are made, so it is early for a store that lags, or of a home that is not ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import functions_framework.aio
from cloudevents.http import CloudEvent

from functions.report import complaints
from functions.report.fold import Folding, needs_steps
from functions.report.outputs import Folded, next_attempt, settled
from ims import topics
from ims.errors import Later, Poison
from ims.ports.dispatch import Dispatch
from ims.ports.records import Change
from ims.protocol.envelope import Emit, Event
from ims.protocol.events import DeadlinePassed, DeliveryReport, DeliveryReported, MessageRefused, SendFinished
from ims.protocol.ids import derived, taken_apart
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run
from ims.telemetry import FORGED, SETTLED, TRANSITIONS

Key = tuple[str, int]


class NoRow(Later):
    """None of the reports in an event found its row."""


async def handle(event: Event, ctx: Context) -> Decision:
    """Fold one event into the rows that it concerns."""
    data = event.data
    reports: dict[Key, list[tuple[int, DeliveryReport]]] = {}
    if isinstance(data, DeliveryReported):
        reports = _by_row(data)
        keys = list(reports)
        if complaints.any_in(data.reports):
            await complaints.opt_out(reports, event.lane, ctx)
    elif isinstance(data, SendFinished | MessageRefused | DeadlinePassed):
        keys = [(data.birth, data.attempt)]
    else:
        raise Poison(f"report cannot handle {event.type}")
    rows = await ctx.journal.dispatches(event.lane, keys)
    missing = [k for k in keys if k not in rows]
    emits: list[Emit] = []
    if missing and isinstance(data, MessageRefused):
        # refused before any call was fixed, by route or as a dead letter: this is the first that is known of the attempt
        birth = (await ctx.journal.payloads(event.lane, [data.birth])).get(data.birth)
        if birth is None:
            raise NoRow("no payload row")
        rows[missing[0]] = Dispatch(birth=data.birth, attempt=data.attempt, received_at=birth.received_at, send_by=birth.send_by)
    elif missing and isinstance(data, DeliveryReported):
        if not rows:
            raise NoRow("no dispatch row")
        late = DeliveryReported(provider=data.provider, reports=[r for k in missing for _, r in reports[k]])
        emits.append(Emit(topics.report(event.lane), derived(event.id, "missing"), late, event.subject, event.lane))
    elif missing:
        raise NoRow("no dispatch row")

    steps_for = [birth for (birth, _), d in rows.items() if _may_step(event, reports, d)]
    payloads = await ctx.journal.payloads(event.lane, list(dict.fromkeys(steps_for))) if steps_for else {}
    foldings: list[Folding] = []
    for key, d in rows.items():
        payload = payloads.get(d.birth)
        folding = Folding(d, event.id, event.lane, ctx.clock(), payload.shared.fallback if payload else None)
        if isinstance(data, SendFinished):
            folding.finished(data)
        elif isinstance(data, MessageRefused):
            folding.refused(data)
        elif isinstance(data, DeadlinePassed):
            folding.deadline()
        else:
            for pos, report in reports[key]:
                folding.reported(pos, report)
        foldings.append(folding)
    emits += await _outputs(event, ctx, foldings)
    changed = [f.dispatch for f in foldings if f.changed]
    told = sum(len(f.told()) for f in foldings)
    return Decision(Change(dispatches=changed), emits, told, _summary(foldings), after=lambda: _count(event, foldings))


def _by_row(data: DeliveryReported) -> dict[Key, list[tuple[int, DeliveryReport]]]:
    found: dict[Key, list[tuple[int, DeliveryReport]]] = {}
    for report in data.reports:
        try:
            ref = taken_apart(report.ref)  # whoever took it in has checked its tag
        except ValueError:
            FORGED.labels(data.provider).inc()
            continue
        found.setdefault((ref.birth, ref.attempt), []).append((ref.position, report))
    return found


def _may_step(event: Event, reports: dict[Key, list[tuple[int, DeliveryReport]]], d: Dispatch) -> bool:
    data = event.data
    if isinstance(data, SendFinished):
        return needs_steps({o.status for o in data.outcomes})
    if isinstance(data, DeliveryReported):
        return needs_steps({r.status for _, r in reports[d.birth, d.attempt]})
    return isinstance(data, DeadlinePassed)


async def _outputs(event: Event, ctx: Context, foldings: Sequence[Folding]) -> list[Emit]:
    speaking = [f for f in foldings if f.told() or f.stepped()]
    if not speaking:
        return []
    births = await ctx.journal.payloads(event.lane, list(dict.fromkeys(f.dispatch.birth for f in speaking)))
    folded = [Folded(f, births[f.dispatch.birth]) for f in speaking]
    for f in folded:
        f.folding.steps = f.payload.shared.fallback
    out = list(settled(event, folded))
    for f in folded:
        out += next_attempt(event, f)
    return out


def _count(event: Event, foldings: Sequence[Folding]) -> None:
    """Results told, once they are committed; and the transitions that are not the usual one."""
    counts = Counter((told.result, told.code) for f in foldings for _, told in f.told())
    for (result, code), n in counts.items():
        SETTLED.labels(event.lane, result, code).inc(n)
    for f in foldings:
        for name, n in Counter(f.notes).items():
            TRANSITIONS.labels(name).inc(n)


def _summary(foldings: Sequence[Folding]) -> str:
    counts: dict[str, int] = {}
    for f in foldings:
        for _, told in f.told():
            counts[f"{told.result} {told.code}"] = counts.get(f"{told.result} {told.code}", 0) + 1
    return ", ".join(f"{name} x{n}" for name, n in list(counts.items())[:5])


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("report", handle, event)
