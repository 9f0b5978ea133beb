"""The common path of send_*: fix the call, make it, remember what came of it, say so.

Every step is written down before the next one has an effect outside: a crash between any two lines leaves a row that
says what may be done (ims.rules.calls). A redelivered event finds that row and emits what it says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ims import results, topics
from ims.errors import CallRefused, Conflict, NotSent, Poison, ProviderError, Unavailable, Unclear
from ims.ports.dispatch import Call, CallStatus, Dispatch
from ims.ports.providers import Answer, OutgoingCall
from ims.ports.records import Change, HeldEvent
from ims.protocol.envelope import Emit, Event
from ims.protocol.events import MessageRefused, Outcome, Refusal, Row, SendFinished, SendRequested, Shared
from ims.protocol.ids import derived
from ims.rules import calls
from ims.rules.calls import Next
from ims.rules.campaigns import GATED, held_name
from ims.rules.night import ad_window_opens
from ims.rules.parts import variables_in
from ims.runtime import permission
from ims.runtime.context import Context
from ims.runtime.errand import Errand
from ims.runtime.gate import gated
from ims.runtime.permission import Check, Refusals
from ims.runtime.pools import account_name
from ims.runtime.stage import CONFLICT_TRIES, Decision
from ims.telemetry import CLAIMS, HELD, SENT

_PAUSE_S = 5.0  # between tries in one delivery; a longer wait frees the event's place in the window
_MAX_PARK_S = 300.0
_BREAKER, _NIGHT = "breaker", "night"
_AS_LONG_AS_SAID = (_BREAKER, GATED, _NIGHT)  # a breaker waits longer each time by itself; who holds a campaign wakes it
_CALLS_OUT = (Next.MAKE, Next.REPEAT, Next.ASK)  # what goes to the provider; the others are ours to write down

Compose = Callable[[Call, SendRequested, Sequence[Row], Context], OutgoingCall]
Mark = Callable[[Call], None]  # what a try came to, to be written on the call


@dataclass(frozen=True, slots=True)
class Sending:
    """What one send function brings: its provider family, what it refuses, how it words a call."""

    family: str
    check: Check
    compose: Compose


@dataclass(frozen=True, slots=True)
class _Tried:
    """What making a call came to. `park_s` > 0: not decided, the event rests that long."""

    index: int
    mark: Mark | None
    park_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Fixed:
    """The row as it was written, and what is left to do."""

    dispatch: Dispatch
    ours: list[tuple[int, Next, bool]]  # calls to bring to an end: index, what comes next, whether it is claimed already
    left: bool  # members wait for another round (providers that take one message a call)
    opens_at: int  # whoever would get new calls is left alone until then; 0: go ahead
    morning: int  # until then some wait for the night to end; 0: nobody does


@dataclass(frozen=True, slots=True)
class _Work:
    """An errand and how its channel does it."""

    errand: Errand
    how: Sending

    @property
    def event(self) -> Event:
        return self.errand.event

    @property
    def request(self) -> SendRequested:
        return self.errand.request

    @property
    def ctx(self) -> Context:
        return self.errand.ctx

    async def look(self, positions: Collection[int]) -> tuple[Refusals, set[int]]:
        """Who is refused now, and who waits for the morning."""
        return await permission.look(self.how.check, self.event, self.request, positions, self.ctx)

    def rest(self, index: int, mark: Mark | None, opens_at: int) -> _Tried:
        """What is not tried because the provider is left alone until then."""
        return _Tried(index, mark, max(0.1, (opens_at - self.ctx.clock()) / 1000), _BREAKER)


async def send(event: Event, ctx: Context, how: Sending) -> Decision:
    """Handle one send.requested event: it commits by itself, in the order that the invariants ask for."""
    if not isinstance(event.data, SendRequested):
        raise Poison(f"send_* cannot handle {event.type}")
    directory = await ctx.registry.directory()
    errand = Errand(event, event.data, ctx, how.family, ctx.pool(how.family, event.lane), directory)
    work = _Work(errand, how)
    rows = {r.pos: r for r in event.data.rows}
    if held := await gated(ctx, event, event.data, directory, errand.load):
        return Decision(
            rows=len(rows), note=await _settle(work, held, (), _Tried(-1, None, (event.data.send_by - ctx.clock()) / 1000, GATED))
        )
    target = errand.target()
    rate = target.abilities.rate_per_s if target else 0
    # before any claim, since a lease must not run out while waiting
    if target and rate and (wait_s := await ctx.rates.take(ctx.shared, account_name(target), len(rows), rate)):
        return Decision(rows=len(rows), note=await _settle(work, await errand.load(), (), _Tried(-1, None, wait_s, "rate")))
    while True:
        fixed = await _fix(work)
        made = [_make(work, fixed, i, what, rows, claimed=claimed) for i, what, claimed in fixed.ours]
        ended = await asyncio.gather(*made, return_exceptions=True)
        tried = [t for t in ended if isinstance(t, _Tried)]
        if broken := [e for e in ended if isinstance(e, BaseException)]:
            await _record(work, fixed.dispatch, tried)  # what the others came to is kept, whatever befell this one
            raise broken[0]
        parked = max((t for t in tried if t.park_s), key=lambda t: t.park_s, default=None)
        if parked is None and fixed.opens_at and calls.undecided(fixed.dispatch, list(rows)):
            parked = work.rest(-1, None, fixed.opens_at)
        if parked is None and fixed.morning and not fixed.left:
            parked = _Tried(-1, None, (fixed.morning - ctx.clock()) / 1000, _NIGHT)
        if _goes_elsewhere(errand, fixed.dispatch, tried) or (parked is None and fixed.left):
            await _record(work, fixed.dispatch, tried)
            errand.look_again()
            continue
        note = await _settle(work, fixed.dispatch, tried, parked)
        return Decision(rows=len(rows), note=note)


def _goes_elsewhere(errand: Errand, d: Dispatch, tried: Sequence[_Tried]) -> bool:
    """Whether a call that was surely not sent is offered to another provider at once, in another round."""
    failed = {d.calls[t.index].provider for t in tried if t.mark is calls.not_sent}
    again = any(errand.elsewhere(name) for name in failed)
    errand.avoided |= failed
    return again


async def _fix(work: _Work) -> _Fixed:
    """Decide who is refused and who stands in which call, and claim new calls: one synced compare-and-set.

    While the provider is known to be away nobody is put into a call (unless a next step waits for it: its time runs), and
    what stands in one that was surely not sent is looked at again before it is made: so an opt-out, a stop and the night
    reach everything that has not left the house.
    """
    ctx, request, errand = work.ctx, work.request, work.errand
    positions = [r.pos for r in request.rows]
    wanted = set(positions)
    for attempt in range(CONFLICT_TRIES):
        d = await errand.load()
        now = ctx.clock()
        left, opens_at, morning = 0, 0, 0
        doubted = errand.doubt(d, positions, now)
        moved = errand.move(d, wanted)
        changed = doubted or moved is not None
        fresh = set(calls.undecided(d, positions))
        if fresh:
            refusals, waiting = await work.look(fresh)
            calls.refuse(d, refusals)
            morning = ad_window_opens(request.shared.channel, now) if waiting else 0
            free = [r for r in request.rows if r.pos in fresh and r.pos not in refusals and r.pos not in waiting]
            target = errand.target()
            opens_at = errand.opens_at(target) if free else 0
            if target and (not opens_at or errand.step_after_ms):
                groups = _groups(free, request.shared, one_text=target.abilities.one_text)
                step_due = moved or (now + errand.step_after_ms if errand.step_after_ms else 0)
                left = calls.cut(d, groups, request.send_type, target.name, target.abilities, step_due=step_due)
            changed |= bool(refusals) or (bool(free) and (not opens_at or bool(errand.step_after_ms)))
        ours: list[tuple[int, Next, bool]] = []
        for index, call in enumerate(d.calls):
            if call.status == CallStatus.DONE or not calls.concerns(call, wanted):
                continue
            abilities = errand.abilities(call)
            what = calls.next_for(call, d, abilities, now)
            if what is Next.BUSY:
                CLAIMS.labels(work.event.lane, "busy").inc()
                raise Unavailable("another copy is at this call")
            unmade = what is Next.MAKE or (what is Next.LATE and not call.tries)
            if unmade and call.members[0] not in fresh:
                refusals, waiting = await work.look(call.members)
                morning = ad_window_opens(request.shared.channel, now) if waiting else morning
                changed |= calls.drop(d, call, refusals, waiting)
                if call.status == CallStatus.DONE:
                    continue
            claimed = what is Next.MAKE and not errand.opens_at(errand.provider(call))
            if claimed:
                calls.claim(call, ctx.name, abilities, errand.report_deadline_ms, now)
                changed = True
            ours.append((index, what, claimed))
        try:
            if changed:
                await errand.write(d, durable=True)
        except Conflict:
            if attempt == CONFLICT_TRIES - 1:
                raise
            continue
        CLAIMS.labels(work.event.lane, Next.MAKE.value).inc(sum(claimed for _, _, claimed in ours))
        return _Fixed(d, ours, bool(left), opens_at, morning)
    raise AssertionError("unreachable")


def _groups(rows: Sequence[Row], shared: Shared, *, one_text: bool) -> list[list[int]]:
    """What may share a call: everything, or rows that come out alike in all but text and title, which the provider fills in."""
    if not one_text:
        return [[row.pos for row in rows]] if rows else []
    names = variables_in(shared.header, shared.attachment, shared.supplement, shared.fields)
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for row in rows:
        groups.setdefault((row.text, *(row.mapping.get(name) for name in names)), []).append(row.pos)
    return list(groups.values())


async def _make(work: _Work, fixed: _Fixed, index: int, what: Next, rows: dict[int, Row], *, claimed: bool) -> _Tried:
    """Bring one call to an outcome, or say how long the event should rest."""
    ctx, errand = work.ctx, work.errand
    call = fixed.dispatch.calls[index]
    provider = errand.provider(call)
    if provider is None:  # nobody can repeat or ask: once its lease is over it ends as unknown
        what = await _claim(work, index, call.members, None)
        return _Tried(index, None, 0.0 if what not in _CALLS_OUT else ctx.timing.park_s, "gone")
    outgoing = work.how.compose(call, work.request, [rows[p] for p in call.members], ctx)
    mark: Mark | None = None
    health = errand.health
    tries = 1 if what is Next.MAKE and errand.elsewhere(provider.name) else ctx.timing.provider_tries
    for attempt in range(tries):
        if not claimed:
            opens_at = health.closed_at(provider, ctx.clock()) if attempt else errand.opens_at(provider)
            if opens_at and what in _CALLS_OUT:
                return work.rest(index, mark, opens_at)
            shut = await permission.shut(work.how.check, work.event, work.request, call.members, ctx)
            if shut and what is Next.MAKE:
                return _Tried(index, mark, 0.1, _NIGHT)  # it comes back at once, and its members wait or are refused
            what = await _claim(work, index, call.members, mark, shut=shut)
            if what not in _CALLS_OUT:
                return _Tried(index, None)
        claimed = False
        try:
            answers = await (provider.ask(outgoing) if what is Next.ASK else provider.send(outgoing))
        except CallRefused as exc:
            if exc.code == results.CREDENTIAL and what is Next.MAKE and errand.elsewhere(provider.name):
                health.failed(provider, exc.code, ctx.clock(), first_ms=int(ctx.timing.park_s * 1000))
                return _Tried(index, calls.not_sent, ctx.timing.park_s, exc.code)
            health.succeeded(provider)
            return _Tried(index, _finished([Answer("failed", exc.code, exc.provider_code)] * len(call.members), ctx))
        except NotSent as exc:
            # what an earlier try left unclear stays so: this one alone was surely not sent
            mark = calls.not_sent if what is Next.MAKE else calls.unclear
            error: ProviderError = exc
        except Unclear as exc:
            mark, error = calls.unclear, exc
            what = Next.REPEAT
        else:
            health.succeeded(provider)
            for status in {a.status for a in answers}:
                SENT.labels(provider.name, work.event.lane, status).inc(sum(a.status == status for a in answers))
            return _Tried(index, _finished(answers, ctx))
        health.failed(provider, error.code, ctx.clock(), first_ms=int(ctx.timing.park_s * 1000))
        pause = max(error.retry_after_s or 0.0, 0.2 * 2**attempt * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        if attempt == tries - 1 or pause > _PAUSE_S:
            return _Tried(index, mark, max(pause, ctx.timing.park_s), error.code)
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


def _finished(answers: list[Answer], ctx: Context) -> Mark:
    at = ctx.clock()
    return lambda call: calls.finish(call, answers, at)


async def _claim(work: _Work, index: int, members: list[int], mark: Mark | None, *, shut: bool = False) -> Next:
    """Write what the last try came to and claim the next one, in one compare-and-set; what the claim is for."""
    ctx, errand = work.ctx, work.errand
    for attempt in range(CONFLICT_TRIES):
        d = await errand.load()
        call = d.calls[index]
        if call.status == CallStatus.DONE:
            return Next.GIVE_UP
        if call.members != members:
            raise Unavailable("another copy has taken members out of this call")
        if mark is not None:
            mark(call)
        now = ctx.clock()
        abilities = errand.abilities(call)
        what = calls.next_for(call, d, abilities, now, shut=shut)
        match what:
            case Next.BUSY:
                raise Unavailable("another copy is at this call")
            case Next.LATE:
                calls.finish(call, [Answer("failed", results.NOT_CONNECTED)] * len(call.members), now)
            case Next.GIVE_UP:
                calls.finish(call, [Answer("unknown", results.NO_ANSWER)] * len(call.members), now)
            case _:
                calls.claim(call, ctx.name, abilities, errand.report_deadline_ms, now)
        try:
            await errand.write(d, durable=True)
        except Conflict:
            if attempt == CONFLICT_TRIES - 1:
                raise
            continue
        CLAIMS.labels(work.event.lane, what.value).inc()
        return what
    raise AssertionError("unreachable")


async def _record(work: _Work, d: Dispatch, tried: Sequence[_Tried]) -> Dispatch:
    """Write the tries' outcomes between two rounds."""
    return await _commit_marks(work, d, tried, lambda _d: ((), Change()))


async def _settle(work: _Work, d: Dispatch, tried: Sequence[_Tried], parked: _Tried | None) -> str:
    """Outcomes, the events that tell them, and the event itself parked when calls are left: one commit."""
    request, event, ctx = work.request, work.event, work.ctx
    wanted = {r.pos for r in request.rows}
    note = ""

    def finish(d: Dispatch) -> tuple[Sequence[Emit], Change]:
        nonlocal note
        change = Change()
        left = calls.left(d, wanted)
        if left or calls.undecided(d, sorted(wanted)):
            now = ctx.clock()
            tries = max((c.tries for c in left), default=0)
            wait_s = parked.park_s if parked else ctx.timing.park_s
            if not parked or parked.reason not in _AS_LONG_AS_SAID:
                wait_s = min(_MAX_PARK_S, wait_s * 2 ** min(6, tries // ctx.timing.provider_tries))
            due = now + max(100, int(wait_s * 1000))
            if now <= request.send_by:
                due = min(due, request.send_by + 1000)
            emit = Emit(topics.send(request.send_type, event.lane), event.id, request, event.subject, event.lane, event.channel)
            reason = parked.reason if parked else "left"
            campaign = held_name(request.shared.service_key, request.shared.campaign_id)
            record = ctx.envelopes.seal(emit, event.trace, now)
            change.held.append(HeldEvent(record, due, reason, now, request.send_by, campaign, len(wanted)))
            note = f"parked: {reason}"
        return outputs(event, request, d, wanted), change

    await _commit_marks(work, d, tried, finish)
    if note:
        HELD.labels(event.lane, note.removeprefix("parked: ")).inc()
    return note


async def _commit_marks(
    work: _Work, d: Dispatch, tried: Sequence[_Tried], finish: Callable[[Dispatch], tuple[Sequence[Emit], Change]]
) -> Dispatch:
    """Apply the marks to the row and commit; a report that came first has moved the row, so mark what is there now."""
    fresh = not any(t.mark is None for t in tried)
    for attempt in range(CONFLICT_TRIES * 2):
        if attempt or not fresh:
            d = await work.errand.load()
        for t in tried:
            if t.mark is not None and d.calls[t.index].status != CallStatus.DONE:
                t.mark(d.calls[t.index])
        emits, change = finish(d)
        try:
            await work.errand.write(d, emits, change)
        except Conflict:
            continue
        return d
    raise Conflict("the row would not hold still")


def outputs(event: Event, request: SendRequested, d: Dispatch, wanted: set[int]) -> list[Emit]:
    """The events that say what became of these members; the same ids and contents at every redelivery."""
    report_topic = topics.report(event.lane)
    out: list[Emit] = []
    refusals = [Refusal(pos=r.pos, result=r.result, code=r.code) for r in d.refused if r.pos in wanted]
    if refusals:
        data = MessageRefused(birth=d.birth, attempt=d.attempt, stage="send", report_type=request.send_type.report_type, refusals=refusals)
        # More may be refused when a parked event comes back: that is another event, or nobody would believe it new.
        id_ = derived(event.id, "refused|" + ",".join(str(r.pos) for r in refusals))
        out.append(Emit(report_topic, id_, data, event.subject, event.lane, event.channel))
    for call in d.calls:
        if call.status != CallStatus.DONE or not calls.concerns(call, wanted):
            continue
        finished = SendFinished(
            birth=d.birth,
            attempt=d.attempt,
            send_type=call.send_type,
            provider=call.provider,
            sent_at=call.first_at,
            answered_at=call.answered_at,
            outcomes=[
                Outcome(pos=p, status=o.status, code=o.code, provider_code=o.provider_code, provider_id=o.provider_id)
                for p, o in zip(call.members, call.outcomes, strict=True)
            ],
        )
        out.append(Emit(report_topic, derived(call.key, "finished"), finished, event.subject, event.lane, event.channel))
    return out
