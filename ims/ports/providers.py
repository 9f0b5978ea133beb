"""What IMS asks of a provider of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ims.protocol.events import DeliveryReport
from ims.topics import SendType

_NONE: Mapping[str, Any] = {}  # a plain one: encoders know no others


class Outgoing(NamedTuple):
    """One member of a call."""

    ref: str  # ours; comes back in the delivery report
    to: str  # what `to_kind` says: 01012345678
    text: str  # unrendered, with #{name}
    mapping: Mapping[str, str]
    to_kind: str = ""  # "": domestic digits; user (an app_user_id), email, token, topic
    fields: Mapping[str, Any] = _NONE  # the channel's own fields of this recipient


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """A call, as it was fixed: repeated with the same members, in the same order, under the same key."""

    key: str  # at most 40 characters
    key_ttl_s: int
    send_type: SendType
    members: Sequence[Outgoing]
    callback: str = ""  # sender number of a text
    title: str = ""
    sender_key: str = ""
    template_code: str = ""
    message_type: str = ""  # as accepted: AT, AI, TEXT, ...
    header: str = ""
    attachment: Mapping[str, Any] = field(default_factory=dict)
    supplement: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)  # what only this channel has, named as in the request, unrendered

    def __repr__(self) -> str:
        return f"<OutgoingCall {self.key} {self.send_type} of {len(self.members)}>"


class Answer(NamedTuple):
    """What the provider said about one member, in the order of the call."""

    status: str  # accepted, delivered (taken, and nothing more will be told), failed, unknown
    code: str = ""  # result code of the channel (ims.results); empty when accepted
    provider_code: str = ""
    provider_id: str = ""
    dead: tuple[tuple[str, str, int], ...] = ()  # push tokens that are dead: (keyed index in hex, code, unless registered later than)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider can do, for those who cut and repeat calls."""

    max_members: int
    keys: str  # "call": a repeat under the key is one call; "recipient": each ref is taken once; "none"
    key_ttl_s: int  # how long a key is remembered; 0 with "none"
    timeout_s: float  # of one call, all of it
    can_ask: bool  # whether `ask` works
    rate_per_s: float  # recipients a second for the whole account; 0: no limit known
    one_text: bool = False  # all members of a call must have the same unrendered text
    polls: int = 1  # batches of reports that it hands out before the first is acknowledged


@dataclass(frozen=True, slots=True)
class Polled:
    """Reports handed out under a lease of the provider's."""

    batch_id: str
    reports: list[DeliveryReport]


class Provider(Protocol):
    """One account at one provider.

    A report's `ref` is passed on unchecked: who takes reports in verifies it. Codes are the result codes of
    `ims.results`; a code that is not in the provider's table becomes class UNKNOWN with `provider_code` kept.
    """

    name: str  # as stored and shown: "simulator", "bizgo"
    account: str  # "fast" (auth, realtime) or "bulk"
    abilities: Abilities

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """One answer per member, in order. NotSent, CallRefused or Unclear when the whole call has one fate.

        A member that the provider says it already has under this key is `accepted`.
        """
        ...

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """What became of a call whose answer was lost; `unknown` where the provider does not know either.

        A member that the provider surely never got is `failed` with code 8001. Unclear when it does not answer.
        """
        ...

    async def poll(self) -> Polled | None:
        """The next unacknowledged reports; None: nothing waits. Unclear when the provider does not answer."""
        ...

    async def acknowledge(self, batch_id: str) -> None:
        """Have these reports never handed out again. Called only after they are durably appended."""
        ...

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """The reports in a webhook request. Rejected when signature, time or form is wrong."""
        ...

    def webhook_answer(self, body: bytes) -> bytes:
        """What the provider wants to read in the 2xx to a webhook that was taken in; it repeats the call otherwise."""
        ...

    async def close(self) -> None:
        """Let go of connections. The provider may be used again; it opens new ones."""
        ...
