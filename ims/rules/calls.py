"""Which provider calls may be made: cut once, claimed by lease, never crossed (design invariants 3, 5, 6, 7).

Pure decisions on a dispatch row. Who performs them writes the row by compare-and-set before anything leaves the house.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from ims.ports.dispatch import Call, CallOutcome, CallStatus, Dispatch, Refused
from ims.ports.providers import Abilities, Answer
from ims.protocol.ids import derived
from ims.topics import SendType

FIXED_AT_A_TIME = 10  # invariant 3: calls of one event that are open at once, which a crash may leave unknown
SKEW_MS = 60_000  # a lease that ends later than a clock beside ours could have said is of before ours was set back: void
LEASE_MARGIN_MS = 5_000  # invariant 4: a lease is the provider's time-out and this


class Next(StrEnum):
    """What to do with a call that has no stored outcome."""

    MAKE = "make"  # never begun, or surely not sent
    REPEAT = "repeat"  # unknown; its key still protects it
    ASK = "ask"  # unknown; only the provider can tell
    BUSY = "busy"  # somebody else holds the lease
    LATE = "late"  # surely not sent, and send_by has passed
    GIVE_UP = "give_up"  # unknown, and nobody can tell any more


def undecided(d: Dispatch, positions: Sequence[int]) -> list[int]:
    """Members that stand in no call, are not refused, have no result and no later step: the only ones that may enter a call."""
    refused = {r.pos for r in d.refused}
    return [p for p in positions if p not in refused and ((m := d.members.get(p)) is None or not (m.call >= 0 or m.result or m.stepped))]


def concerns(call: Call, positions: Collection[int]) -> bool:
    """Whether a call is of these members. Events are only ever split, so a call is wholly in one or not at all."""
    return bool(call.members) and call.members[0] in positions


def left(d: Dispatch, positions: Collection[int]) -> list[Call]:
    """Calls of these members whose outcome is not stored."""
    return [c for c in d.calls if c.status != CallStatus.DONE and concerns(c, positions)]


def settled(d: Dispatch, positions: Sequence[int]) -> bool:
    """Whether nothing is left to send for these members."""
    return not left(d, set(positions)) and not undecided(d, positions)


def refuse(d: Dispatch, refusals: Mapping[int, tuple[str, str]]) -> None:
    """Record who stays out of every call, with (result, code)."""
    d.refused.extend(Refused(pos, result, code) for pos, (result, code) in refusals.items())


def drop(d: Dispatch, call: Call, refusals: Mapping[int, tuple[str, str]], waiting: Collection[int] = ()) -> bool:
    """Take members out of a call that was surely not sent: those who are refused now, those whose next step has begun, and
    those who must wait: they stand in no call then, and get another when their time has come.

    Nothing has left the house under the call's key, so what is left of it is made for the first time. True: it changed.
    """
    superseded = {p for p in call.members if d.member(p).stepped}
    gone = superseded | ((refusals.keys() | set(waiting)) & set(call.members))
    if not gone:
        return False
    refuse(d, {p: refusals[p] for p in call.members if p in refusals and p not in superseded})
    for pos in gone:
        d.member(pos).call = -1
    call.members = [p for p in call.members if p not in gone]
    if not call.members:
        finish(call, (), 0)
    return True


def release(d: Dispatch, call: Call) -> int:
    """Take all members out of a call that was surely not sent, so that another provider may have them; its step_due.

    Its key is never used again: whoever takes them gets another call.
    """
    for pos in call.members:
        d.member(pos).call = -1
    call.members = []
    finish(call, (), 0)
    return call.step_due


def cut(
    d: Dispatch, groups: Sequence[Sequence[int]], send_type: SendType, provider: str, abilities: Abilities, *, step_due: int = 0
) -> int:
    """Put members into new calls, in order, members of different groups never into one; how many wait for a later round.

    A group is what the provider can take in one call: members with one text, where it takes one text a call.
    """
    size = max(1, abilities.max_members)
    parts = [list(group[start : start + size]) for group in groups for start in range(0, len(group), size)]
    now, later = parts[:FIXED_AT_A_TIME], parts[FIXED_AT_A_TIME:]
    for members in now:
        index = len(d.calls)
        key = derived(d.birth, f"call-{d.attempt}", index)
        d.calls.append(Call(key=key, provider=provider, send_type=send_type, members=members, step_due=step_due))
        for pos in members:
            d.member(pos).call = index
    return sum(map(len, later))


def next_for(call: Call, d: Dispatch, abilities: Abilities, now: int, *, shut: bool = False) -> Next:
    """What may be done with a call that is not DONE. `shut`: nothing of it may go out now, so what is unknown is only asked for."""
    late = now > d.send_by
    if call.status in (CallStatus.FIXED, CallStatus.NOT_SENT):
        return Next.LATE if late else Next.MAKE
    if now < call.lease_until <= now + int(abilities.timeout_s * 1000) + LEASE_MARGIN_MS + SKEW_MS:
        return Next.BUSY
    if abilities.keys != "none" and not late and not shut and now < call.first_at + abilities.key_ttl_s * 1000:
        return Next.REPEAT
    return Next.ASK if abilities.can_ask else Next.GIVE_UP


def claim(call: Call, owner: str, abilities: Abilities, report_deadline_ms: int, now: int) -> None:
    """Take or renew the lease. A report can only be late for a call that may have been sent: its deadline starts here."""
    call.status = CallStatus.TRYING
    call.owner = owner
    call.lease_until = now + int(abilities.timeout_s * 1000) + LEASE_MARGIN_MS
    call.tries += 1
    if not call.first_at:
        call.first_at = now
        call.report_due = now + report_deadline_ms


def finish(call: Call, answers: Sequence[Answer], now: int) -> None:
    """Store the outcome; the lease ends."""
    call.status = CallStatus.DONE
    call.lease_until = 0
    call.answered_at = now
    call.outcomes = [CallOutcome(a.status, a.code, a.provider_code, a.provider_id, list(a.dead)) for a in answers]


def doubt(d: Dispatch, positions: Sequence[int], unknown: tuple[str, str], report_deadline_ms: int, now: int) -> bool:
    """Of records that were restored: whatever they do not know may have happened since the backup. True: the row changed.

    Calls of these members that were not begun, or surely not sent, are unknown now (their keys are no older than the message, so
    they live at least as long from there on); members in no call enter none any more.
    """
    unsure = [c for c in d.calls if c.status in (CallStatus.FIXED, CallStatus.NOT_SENT) and concerns(c, positions)]
    for call in unsure:
        call.status = CallStatus.TRYING
        call.lease_until = 0
        call.tries = max(1, call.tries)
        call.first_at = d.received_at
        call.report_due = now + report_deadline_ms
    open_ = undecided(d, positions)
    refuse(d, dict.fromkeys(open_, unknown))
    return bool(unsure or open_)


def not_sent(call: Call) -> None:
    """Surely not sent, nor at any try before: the call may be made again, by anyone, and waits for no report."""
    call.status = CallStatus.NOT_SENT
    call.lease_until = 0
    call.first_at = 0
    call.report_due = 0


def unclear(call: Call) -> None:
    """Begun, and nobody knows: the lease ends, what comes next is decided by `next_for`."""
    call.lease_until = 0
