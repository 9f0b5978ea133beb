"""All that the store knows about one message, gathered for `ims why`. Numbers are masked; texts and values stay sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ims.adapters.sql import changes, dead_letters
from ims.adapters.sql import explain as sql
from ims.errors import ImsError
from ims.lanes import Lane
from ims.ports.dispatch import Call, CallStatus, Dispatch, Member, Told
from ims.ports.records import Existing, StoredArray
from ims.ports.registry import ServiceKey
from ims.protocol.envelope import Event
from ims.protocol.events import MessageAccepted, Shared
from ims.protocol.ids import MAX_ATTEMPTS, acceptance_key, derived, lane_of
from ims.results import family_of, look_up
from ims.rules.fallback import step_shared
from ims.rules.lane import is_ad
from ims.rules.masking import masked
from ims.rules.result import State, state_of

if TYPE_CHECKING:
    from ims.adapters.sql.lane_store import LaneStore
    from ims.runtime.context import Context

_SETTLED_EVENTS = 8  # functions.report.outputs makes that many of one cause at most: 1,000 members a call, 200 results an event
_ARRAYS = 2  # functions.callback.arrays makes that many of one event: 200 results, 100 an array

Facts = dict[str, Any]


class NotFound(ImsError):
    """No service key has such a message."""


async def explain(ctx: Context, store: LaneStore, keys: Sequence[ServiceKey], message_id: str) -> Facts:
    """The newest message of that id under any of the keys."""
    found = [(e, k) for k in keys if (e := await store.find_ever(k.kind, acceptance_key(k.key, message_id))) is not None]
    if not found:
        raise NotFound("no message of that id" + (" under that service key" if len(keys) == 1 else " under any service key"))
    found.sort(key=lambda pair: -pair[0].at)
    existing, key = found[0]
    lane = lane_of(existing.birth)
    event = await _birth_event(store, ctx, (lane, key.kind), existing.birth)
    facts: Facts = {
        "message_id": message_id,
        "service_key": key.key,
        "customer": key.customer,
        "also_under": [k.key for _, k in found[1:]],
        "lane": lane.value,
        "tracking_id": ctx.tracker.tracking_id(existing.birth, existing.pos),
    }
    if event is None or not isinstance(event.data, MessageAccepted):
        return facts | {"state": "GONE", "accepted": {"at": existing.at, "position": existing.pos, "birth": existing.birth}}
    accepted = event.data
    rows = await store.dispatches(lane, [(existing.birth, n) for n in range(1, MAX_ATTEMPTS)])
    attempts = [rows[k] for k in sorted(rows)]
    held = await store.lanes[lane].read(lambda conn: sql.held_of(conn, existing.birth))
    state = state_of(existing.pos, attempts, held=bool(held))
    told = [t for d in attempts if (m := d.members.get(existing.pos)) for t in m.told]
    template = (await ctx.registry.directory()).template(accepted.shared.customer, accepted.shared.channel, accepted.shared.template_code)
    facts |= {
        "state": state.result if existing.accepted else "RESERVED",
        "code": state.told.code if state.told else "",
        "meaning": look_up(family_of(state.told.report_type), state.told.code).en if state.told else "",
        "accepted": _accepted(existing, event, accepted)
        | {"lane_because": lane_because(key.kind, accepted.shared, template.category if template else "")},
        "attempts": [_attempt(d, existing.pos, accepted.shared) for d in attempts],
        "waits_for": _waits(state, attempts, existing.pos, held, ctx.clock()),
    }
    return facts | await _around(store, ctx, lane, existing, accepted.shared, _Known(attempts, told, held))


class _Known(msgspec.Struct):
    attempts: list[Dispatch]
    told: list[Told]
    held: list[Facts]


async def _birth_event(store: LaneStore, ctx: Context, lanes: Sequence[Lane], birth: str) -> Event | None:
    """The birth event: in its lane, or while it is only reserved in the lane of the service key."""
    for lane in dict.fromkeys(lanes):
        raw = (await store.lanes[lane].read(lambda conn: changes.read_payloads(conn, [birth]))).get(birth)
        if raw:
            return ctx.envelopes.open(*raw)
    return None


def _accepted(existing: Existing, event: Event, data: MessageAccepted) -> Facts:
    row, shared = data.rows[existing.pos], data.shared
    return {
        "at": existing.at,
        "birth": existing.birth,
        "position": existing.pos,
        "of": len(data.rows),
        "trace_id": row.trace or event.trace_id,
        "channel": shared.channel.value,
        "message_type": shared.message_type,
        "to": masked(row.to),
        "sender": shared.sender_key or shared.callback,
        "template_code": shared.template_code,
        "campaign_id": shared.campaign_id,
        "bill_code": row.bill_code,
        "variables": sorted(row.mapping),
        "send_by": data.send_by,
        "callback_url": shared.callback_url,
        "fallback": [{"type": s.type, "after_s": s.after_s, "on_unknown": s.on_unknown} for s in shared.fallback],
    }


def lane_because(kind: Lane, shared: Shared, category: str) -> str:
    """Why the message travels in its lane, as far as it can still be told: the request itself is not kept."""
    if shared.lane == kind:
        return "the service key's kind"
    if shared.lane is Lane.AD:
        return "an advertisement by its (광고)" if is_ad(shared.text or "", shared.title) else "an advertisement by ad_flag or send_class"
    if category == shared.lane:
        return "the category of its template"
    return "a list of 200 or more recipients, or send_class" if shared.campaign_id else "send_class"


def _attempt(d: Dispatch, pos: int, shared: Shared) -> Facts:
    member = d.members.get(pos)
    call = d.calls[member.call] if member and member.call >= 0 else None
    refused = next((r for r in d.refused if r.pos == pos), None)
    worded = step_shared(shared, d.attempt)
    return {
        "attempt": d.attempt,
        "distributed_at": d.distributed_at,
        "sender": worded.sender_key or worded.callback,
        "call": _call(call, pos) if call else None,
        "refused": {"result": refused.result, "code": refused.code} if refused else None,
        "results": [_told(t) for t in member.told] if member else [],
        "handed_on": {"because": member.step_note, "event": member.stepped} if member and member.stepped else None,
    }


def _call(call: Call, pos: int) -> Facts:
    at = call.members.index(pos)
    outcome = call.outcomes[at] if call.status == CallStatus.DONE else None
    return {
        "key": call.key,
        "provider": call.provider,
        "send_type": call.send_type.value,
        "member": at,
        "members": len(call.members),
        "status": call.status,
        "tries": call.tries,
        "owner": call.owner,
        "lease_until": call.lease_until,
        "first_at": call.first_at,
        "answered_at": call.answered_at,
        "answer": msgspec.structs.asdict(outcome) if outcome else None,
        "report_due": call.report_due,
        "step_due": call.step_due,
    }


def _told(t: Told) -> Facts:
    meaning = look_up(family_of(t.report_type), t.code)
    return {
        "number": t.number,
        "result": t.result,
        "code": t.code,
        "meaning": meaning.en,
        "class": meaning.result_class.value,
        "provider_code": t.provider_code,
        "report_type": t.report_type,
        "at": t.at,
        "previous": t.previous,
        "event": t.cause,
    }


def _waits(state: State, attempts: Sequence[Dispatch], pos: int, held: Sequence[Facts], now: int) -> str:
    """What has to happen next; empty for a message that has its result."""
    if state.told:
        return ""
    if held:
        return "its parked event to be released"
    member: Member | None = attempts[-1].members.get(pos) if attempts else None
    if member is None:
        return "the stages to get to it"
    if member.stepped:
        return "the next attempt to be routed"
    if member.call < 0:
        return "a call to be fixed"
    call = attempts[-1].calls[member.call]
    if call.status == CallStatus.TRYING:
        return "the provider's answer" if call.lease_until > now else "somebody to take the call over: its lease has run out"
    return "the delivery report" if call.status == CallStatus.DONE else "a call to be made again"


async def _around(store: LaneStore, ctx: Context, lane: Lane, existing: Existing, shared: Shared, known: _Known) -> Facts:
    """What other tables hold about the message."""
    settled = list(settled_ids(shared, known.told))
    arrays = [derived(event_id, "array", n) for event_id in settled for n in range(_ARRAYS)]
    events = {t.cause for t in known.told} | {m.stepped for d in known.attempts if (m := d.members.get(existing.pos)) and m.stepped}
    birth, pos = existing.birth, existing.pos
    file = store.lanes[lane]
    stored = await file.read(lambda conn: sql.arrays_of(conn, shared.service_key, arrays, existing.at))
    history = await file.read(lambda conn: sql.history_row(conn, birth, pos))
    if history:
        del history["recipient_index"]
    letters = await file.read(lambda conn: dead_letters.of_birth(conn, birth))
    return {
        "history": history,
        "callbacks": [_array(a, at) for a in stored if (at := _place(ctx, a, birth, pos, known.told)) is not None],
        "held": known.held,
        "dead": [
            {"stage": x.stage, "topic": x.record.topic, "code": x.error_code, "error": x.error, "at": x.at, "replayed_at": x.replayed_at}
            for x in letters
        ],
        "traces": [msgspec.structs.asdict(t) for t in await ctx.traces.about(lane, birth, events | set(settled))],
    }


def settled_ids(shared: Shared, told: Sequence[Told]) -> Iterator[str]:
    """The RESULT events that may carry these results: `functions.report.outputs.settled` computes their ids from the cause."""
    for t in told:
        for index in range(_SETTLED_EVENTS):
            yield derived(t.cause, f"settled|{shared.service_key}|{shared.callback_url}", index)


def _place(ctx: Context, array: StoredArray, birth: str, pos: int, told: Sequence[Told]) -> int | None:
    """Where in an array a result of the message stands."""
    wanted = {derived(birth, "result", f"{pos}.{t.number}") for t in told}
    objects = msgspec.json.decode(ctx.sealer.open(array.body, array.id, array.key_id))
    return next((i for i, o in enumerate(objects) if o["event_id"] in wanted), None)


def _array(array: StoredArray, place: int) -> Facts:
    return {
        "id": array.id,
        "endpoint": array.endpoint,
        "results": array.count,
        "formed_at": array.created_at,
        "calls": array.calls,
        "next_call_at": array.due_at,
        "acknowledged": place < array.acked,
    }
