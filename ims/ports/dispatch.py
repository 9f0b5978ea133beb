"""The row of (birth event, attempt): which provider calls exist, who stands in them, what became of each member.

It is the only place that decides whether a message may still be sent (design invariants 3 to 6) and what its
state is (invariant 10). send_* writes `calls` and `refused`, `report` writes `result` and `told`; both by compare-and-set.
"""

from __future__ import annotations

import msgspec

from ims.topics import SendType

# Results of a member, contract section 2.
SENT, DELIVERED, FAILED, UNKNOWN = "SENT", "DELIVERED", "FAILED", "UNKNOWN"
REJECTED, EXPIRED, CANCELLED = "REJECTED", "EXPIRED", "CANCELLED"
RECEIVED, HELD = "RECEIVED", "HELD"
DEFINITE = frozenset({DELIVERED, FAILED, REJECTED, EXPIRED, CANCELLED})


class Told(msgspec.Struct, array_like=True):
    """A result that was sent on, with the event that caused it: the same cause tells the same again."""

    cause: str
    number: int
    result: str
    code: str
    at: int
    previous: str = ""
    provider_code: str = ""
    report_type: str = ""


class Member(msgspec.Struct, array_like=True):
    """One message of this attempt."""

    pos: int
    call: int = -1  # index into calls; -1: in none
    result: str = ""
    told: list[Told] = msgspec.field(default_factory=list)
    stepped: str = ""  # id of the event because of which the next fallback step took this member over
    step_note: str = ""  # why: the code of the failure, or "after_s"


class CallStatus:
    """The life of a call. Only FIXED and NOT_SENT may be made; TRYING with a dead lease is an unknown."""

    FIXED = "fixed"  # named, never begun
    TRYING = "trying"  # somebody is at it until lease_until
    NOT_SENT = "not_sent"  # begun and surely not sent
    DONE = "done"  # outcome stored


class CallOutcome(msgspec.Struct, array_like=True):
    """What became of one member in the call, in the order of `Call.members`."""

    status: str  # accepted, delivered, failed, unknown
    code: str = ""
    provider_code: str = ""
    provider_id: str = ""
    dead: list[tuple[str, str, int]] = msgspec.field(default_factory=list)  # as Answer.dead


class Call(msgspec.Struct, array_like=True):
    """One provider call, fixed before it is made and repeated only whole, under its key."""

    key: str
    provider: str
    send_type: SendType
    members: list[int]
    status: str = CallStatus.FIXED
    owner: str = ""
    lease_until: int = 0
    tries: int = 0
    first_at: int = 0  # when the first try began that may have sent it; 0: none yet
    answered_at: int = 0
    outcomes: list[CallOutcome] = msgspec.field(default_factory=list)
    report_due: int = 0  # no report by then: UNKNOWN; 0: nothing was sent that a report could be about
    step_due: int = 0  # no outcome by then: counts as unknown for the fallback; 0: no such limit


class Refused(msgspec.Struct, array_like=True):
    """A member that a rule kept out of every call, as send_* decided."""

    pos: int
    result: str
    code: str


class Dispatch(msgspec.Struct):
    """All that is known of one attempt at the messages of one birth event. `version` 0: not stored yet."""

    birth: str
    attempt: int
    received_at: int
    send_by: int
    version: int = 0
    distributed_at: int = 0
    calls: list[Call] = msgspec.field(default_factory=list)
    refused: list[Refused] = msgspec.field(default_factory=list)
    members: dict[int, Member] = msgspec.field(default_factory=dict)

    def member(self, pos: int) -> Member:
        """The member at a position, made when it is new."""
        found = self.members.get(pos)
        if found is None:
            found = self.members[pos] = Member(pos)
        return found

    def open_members(self, call: Call) -> list[Member]:
        """Members of a call that have no definite result and no later attempt."""
        return [m for p in call.members if (m := self.members[p]).result not in DEFINITE and m.result != UNKNOWN and not m.stepped]

    def due_at(self) -> int:
        """When this row next wants a deadline event; 0: never."""
        due = 0
        for call in self.calls:
            at = call.step_due or call.report_due
            if at and self.open_members(call):
                due = at if not due else min(due, at)
        return due


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(type=Dispatch).decode


def pack(dispatch: Dispatch) -> bytes:
    """The stored form. Holds no personal data: positions, codes, provider ids."""
    return _encode(dispatch)


def unpack(raw: bytes, version: int) -> Dispatch:
    """The reverse of `pack`."""
    found = _decode(raw)
    found.version = version
    return found
