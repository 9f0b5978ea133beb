"""Every event type of IMS, with the data that it carries (JSON by msgspec; schemas in `schemas/`, examples in `examples/`).

Frozen: add optional fields freely; a change of meaning is a new type ending in v2. Received data keeps unknown fields out
and tolerates them. Times are milliseconds since 1970 UTC. `repr` shows no numbers, texts or names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ims.lanes import Lane
from ims.topics import Channel, SendType


class _Data(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True):
    """Data of an event. `repr` names the type only: what is inside may be about a person."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Row(_Data, frozen=True, kw_only=True):
    """What differs from recipient to recipient."""

    pos: int  # position in the birth event, 0 and up; survives every split
    message_id: str
    to: str  # what `to_kind` says, normalised: 01012345678
    to_kind: str = ""  # "": domestic digits; user (an app_user_id), email, token, topic
    fields: dict[str, Any] = {}  # the channel's own fields that differ by recipient, named as in the request
    also: dict[str, str] = {}  # where fallback steps of other channels find this recipient: kind ("phone" too) -> address
    mapping: dict[str, str] = {}
    bill_code: str = ""
    text: str | None = None  # when the row's text is not the shared one
    trace: str = ""  # trace id of the row's own POST, where it is not the event's


class Step(_Data, frozen=True, kw_only=True):
    """One fallback step, as the customer chose it."""

    type: str  # a message_type of its channel: SMS, LMS, AUTO, ...
    callback: str = ""
    channel: Channel = Channel.MT
    fields: dict[str, Any] = {}  # the channel's own fields, as in Shared
    sender_key: str = ""
    template_code: str = ""
    text: str | None = None  # none: the text of the step before
    title: str = ""
    after_s: int = 0  # how long the attempt before may stay without an outcome; 0: no limit of its own
    on_unknown: bool = False  # whether an unknown outcome of the attempt before starts this step


class Shared(_Data, frozen=True, kw_only=True):
    """All that the messages of one event have in common."""

    service_key: str
    customer: str
    lane: Lane
    channel: Channel
    message_type: str  # as accepted, by channel: AT, AI, SMS, LMS, MMS, AUTO, ...
    text: str | None = None  # unrendered, with #{variables}
    title: str = ""
    callback: str = ""  # sender number of a text
    sender_key: str = ""
    template_code: str = ""
    campaign_id: str = ""
    callback_url: str = ""  # where the result goes; empty: the customer's endpoint in the registry
    expires_at: int = 0
    header: str = ""
    attachment: dict[str, Any] = {}
    supplement: dict[str, Any] = {}
    fields: dict[str, Any] = {}  # what only this channel has, named as in the request, texts unrendered
    fallback: list[Step] = []


class MessageAccepted(_Data, frozen=True, kw_only=True):
    """Messages that were answered 0000 (attempt 1), or a fallback step of them (2 and up). The birth event."""

    birth: str
    attempt: int
    received_at: int
    send_by: int  # no provider call later than this
    shared: Shared
    rows: list[Row]


class SendRequested(_Data, frozen=True, kw_only=True):
    """Messages with the type that goes out."""

    birth: str
    attempt: int
    received_at: int
    send_by: int
    distributed_at: int
    send_type: SendType
    shared: Shared
    rows: list[Row]


class Outcome(_Data, frozen=True, kw_only=True):
    """What a provider's answer meant for one member of a call."""

    pos: int
    status: str  # accepted, delivered (taken, and nothing more will be told), failed, unknown
    code: str = ""  # result code, empty when accepted
    provider_code: str = ""
    provider_id: str = ""


class SendFinished(_Data, frozen=True, kw_only=True):
    """A call's outcome, member by member."""

    birth: str
    attempt: int
    send_type: SendType
    provider: str
    sent_at: int
    answered_at: int
    outcomes: list[Outcome]


class Refusal(_Data, frozen=True, kw_only=True):
    """A message that a rule, a deadline or a fault of ours stopped."""

    pos: int
    result: str  # REJECTED, EXPIRED, FAILED, CANCELLED; UNKNOWN: older than a restore, so perhaps sent
    code: str


class MessageRefused(_Data, frozen=True, kw_only=True):
    """Messages that will not be sent (members that already stand in a call are not touched by it)."""

    birth: str
    attempt: int
    stage: str  # who decided
    report_type: str = ""  # the type it would have gone out as, when known
    refusals: list[Refusal]


class DeliveryReport(_Data, frozen=True, kw_only=True):
    """One delivery report of a provider."""

    ref: str
    status: str  # delivered, failed, unknown
    code: str
    reported_at: int
    provider_code: str = ""
    report_type: str = ""


class DeliveryReported(_Data, frozen=True, kw_only=True):
    """Delivery reports of one lane and any customers, as receipt or the poller took them in."""

    provider: str
    reports: list[DeliveryReport]


class DeadlinePassed(_Data, frozen=True, kw_only=True):
    """A time that a batch of messages had set itself has come."""

    birth: str
    attempt: int
    due_at: int


class Settled(_Data, frozen=True, kw_only=True):
    """A message's result as its customer is told it."""

    pos: int
    message_id: str
    number: int  # 1 for the first result, 2 for an UNKNOWN that became known
    attempt: int
    report_type: str
    report_code: str
    result: str
    report_at: int
    previous: str = ""  # the result told before, when number > 1
    bill_code: str = ""
    to: str = ""
    provider: str = ""
    provider_code: str = ""
    distributed_at: int = 0
    sent_at: int = 0
    answered_at: int = 0


class SettledGroup(_Data, frozen=True, kw_only=True):
    """Results of messages of one birth event."""

    birth: str
    received_at: int
    channel: Channel
    campaign_id: str = ""
    template_code: str = ""
    results: list[Settled]


class MessageSettled(_Data, frozen=True, kw_only=True):
    """Results of one service key for one endpoint, at most 200."""

    service_key: str
    customer: str
    callback_url: str = ""
    groups: list[SettledGroup]


class Trace(_Data, frozen=True, kw_only=True):
    """What one stage did with one event."""

    stage: str
    event_id: str
    event_type: str
    birth: str
    trace_id: str
    at: int
    took_us: int
    rows: int
    outcome: str  # done, conflict, busy, later, poison, parked
    note: str = ""


class StageTraced(_Data, frozen=True, kw_only=True):
    """Traces of one process, gathered."""

    traces: list[Trace]


class AuditRecorded(_Data, frozen=True, kw_only=True):
    """Who changed what, masked."""

    who: str
    action: str
    target: str
    at: int
    note: str = ""


TYPES: dict[str, type[_Data]] = {
    "ims.message.accepted.v1": MessageAccepted,
    "ims.send.requested.v1": SendRequested,
    "ims.send.finished.v1": SendFinished,
    "ims.message.refused.v1": MessageRefused,
    "ims.delivery.reported.v1": DeliveryReported,
    "ims.deadline.passed.v1": DeadlinePassed,
    "ims.message.settled.v1": MessageSettled,
    "ims.stage.traced.v1": StageTraced,
    "ims.audit.recorded.v1": AuditRecorded,
}
TYPE_OF: dict[type[_Data], str] = {data: name for name, data in TYPES.items()}
EventData = _Data
