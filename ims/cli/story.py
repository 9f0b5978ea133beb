"""What `ims why` prints: the facts of a message as lines in the order of time, with milliseconds since its acceptance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ims.rules.result import iso

Facts = dict[str, Any]
Line = tuple[int, str, str]  # at, who, what


def story(facts: Facts) -> Iterator[str]:
    """The lines."""
    accepted = facts["accepted"]
    yield f"{facts['message_id']}  {facts['state']}" + (f" {facts['code']} {facts['meaning']}" if facts.get("code") else "")
    yield f"  service key  {facts['service_key']} of {facts['customer']}"
    yield f"  tracking id  {facts['tracking_id']}"
    if facts["state"] == "GONE":
        yield f"  accepted {iso(accepted['at'])}; what it held is past its retention"
        return
    yield f"  trace        {accepted['trace_id']}"
    yield f"  to           {accepted['to']} as {accepted['message_type']} from {accepted['sender']}"
    yield f"  lane         {facts['lane']}: {accepted['lane_because']}"
    for name in ("campaign_id", "template_code", "bill_code", "callback_url"):
        if accepted[name]:
            yield f"  {name:12} {accepted[name]}"
    if history := facts["history"]:
        yield f"  history      {history['result']} {history['report_code']}, result {history['number']}, attempts {history['attempts']}"
    if facts["waits_for"]:
        yield f"  waits for    {facts['waits_for']}"
    if facts["also_under"]:
        yield f"  also under   {', '.join(facts['also_under'])} (--service-key)"
    yield ""
    lines = sorted(_lines(facts), key=lambda line: line[0])
    width = max(len(who) for _, who, _ in lines)
    for at, who, what in lines:
        yield f"{iso(at)[:23].replace('T', ' ')} {at - accepted['at']:>+9} ms  {who:{width}}  {what}"
    if not facts["traces"]:
        yield "(no traces: they are kept for two days, and what a killed process had gathered is lost)"


def _lines(facts: Facts) -> Iterator[Line]:
    accepted = facts["accepted"]
    said = f"position {accepted['position']} of {accepted['of']}, to be sent by {iso(accepted['send_by'])[:19].replace('T', ' ')}"
    if accepted["fallback"]:
        said += "; then " + ", ".join(_step(s) for s in accepted["fallback"])
    yield accepted["at"], "intake", ("accepted: " if facts["state"] != "RESERVED" else "reserved, not accepted yet: ") + said
    for trace in facts["traces"]:
        note = f": {trace['note']}" if trace["note"] else ""
        kind = trace["event_type"].removeprefix("ims.").removesuffix(".v1")
        took = f"{trace['took_us'] / 1000:.1f} ms, {_count(trace['rows'], 'message')}"
        yield trace["at"], trace["stage"], f"{kind} {trace['outcome']}{note} ({took})"
    for attempt in facts["attempts"]:
        yield from _attempt(attempt, accepted["at"])
    for array in facts["callbacks"]:
        yield array["formed_at"], "callback", _array(array)
    for held in facts["held"]:
        yield held["since"], "held", f"parked ({held['reason']}) until {iso(held['due_at'])[11:19]}"
    for letter in facts["dead"]:
        again = f", replayed {iso(letter['replayed_at'])[11:19]}" if letter["replayed_at"] else ""
        yield letter["at"], "dead letter", f"of {letter['stage']} ({letter['code']} {letter['error']}){again}"


def _step(step: Facts) -> str:
    when = [f"after {step['after_s']} s"] if step["after_s"] else []
    when += ["when unknown"] if step["on_unknown"] else []
    return f"{step['type']} on failure" + "".join(f" or {w}" for w in when)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _attempt(attempt: Facts, accepted_at: int) -> Iterator[Line]:
    n = attempt["attempt"]
    if call := attempt["call"]:
        what = f"call {call['key']} to {call['provider']} as {call['send_type']}: member {call['member']} of {call['members']}"
        lease = f", lease of {call['owner']} until {iso(call['lease_until'])[11:23]}" if call["lease_until"] else ""
        begun = call["first_at"] or attempt["distributed_at"] or accepted_at
        yield begun, f"attempt {n}", f"{what}, {call['status']}, tries: {call['tries']}{lease}"
        if answer := call["answer"]:
            words = " ".join(v for v in (answer["status"], answer["code"], answer["provider_code"], answer["provider_id"]) if v)
            yield call["answered_at"], call["provider"], f"answered: {words}"
        if call["report_due"] and not attempt["results"] and not attempt["handed_on"]:
            due = f"no delivery report by {iso(call['report_due'])[:19].replace('T', ' ')} would be UNKNOWN"
            yield call["answered_at"] or call["first_at"], f"attempt {n}", due
    if refused := attempt["refused"]:
        yield attempt["distributed_at"] or accepted_at, f"attempt {n}", f"kept out of every call: {refused['result']} {refused['code']}"
    for told in attempt["results"]:
        before = f", {told['previous']} before" if told["previous"] else ""
        words = f"{told['result']} {told['code']} {told['meaning']} (result {told['number']}{before})"
        yield told["at"], f"attempt {n}", f"{words}, told because of event {told['event']}"
    if handed := attempt["handed_on"]:
        at = (attempt["call"] or {}).get("answered_at") or attempt["distributed_at"] or accepted_at
        yield at, f"attempt {n}", f"handed on to attempt {n + 1} because of {handed['because']}, event {handed['event']}"


def _array(array: Facts) -> str:
    words = f"array {array['id']} of {array['results']}: "
    if not array["endpoint"]:
        words += "for polling, no endpoint"
    else:
        words += f"{_count(array['calls'], 'call')} to {array['endpoint']}"
        if array["next_call_at"]:
            words += f", next at {iso(array['next_call_at'])[11:19]}"
    return words + (", acknowledged" if array["acknowledged"] else ", not acknowledged")
