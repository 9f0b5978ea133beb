"""The durable state of IMS, and the one way to change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ims.lanes import Lane
from ims.ports.dispatch import Dispatch
from ims.protocol.envelope import Record
from ims.protocol.events import AuditRecorded, MessageAccepted


class Reservation(NamedTuple):
    """The acceptance of one message: the key that decides, the digest of its content, where it will live."""

    key: bytes  # 16 bytes, of (service key, message_id)
    digest: bytes  # 8 bytes, of the normalised content
    birth: str
    pos: int
    at: int


@dataclass(frozen=True, slots=True)
class Existing:
    """A key that was already there, less than 24 hours old."""

    key: bytes
    digest: bytes
    birth: str
    pos: int
    at: int
    accepted: bool  # False: only reserved; its stored event must be appended before 0000 may be said


@dataclass(frozen=True, slots=True)
class Birth:
    """A birth event ready to be stored. Its sealed record is the payload row and the first event in the log."""

    id: str
    lane: Lane
    service_key: str
    channel: str
    rows: int
    received_at: int
    record: Record
    campaign_id: str = ""


PROVIDER_CODE_CHARS = 20  # what the history keeps of a provider's own word: a server refuses a longer one, or cuts it without a word


class HistoryRow(NamedTuple):
    """One message as it settled: the columns of its row in their order."""

    birth: str
    pos: int
    number: int
    service_key: str
    message_id: str
    campaign_id: str
    report_type: str
    result: str
    report_code: str
    provider: str
    provider_code: str
    attempts: int
    recipient: str  # masked
    recipient_index: bytes
    bill_code: str
    template_code: str
    received_at: int
    distributed_at: int
    sent_at: int
    response_at: int
    report_at: int
    channel: str  # the code of the one that was asked for (Channel.code); report_type says what it became


@dataclass(frozen=True, slots=True)
class ResultArray:
    """Up to 100 results of one endpoint, formed once, sealed, repeated unchanged under its id."""

    id: str
    service_key: str
    endpoint: str  # the URL; empty: nobody to call, polling only
    count: int
    created_at: int
    body: bytes
    key_id: str
    due_at: int  # when the next call may be made; 0: none is wanted
    births: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredArray:
    """A result array as it lies in the store."""

    id: str
    service_key: str
    endpoint: str
    count: int
    created_at: int
    body: bytes
    key_id: str
    calls: int  # calls made so far
    due_at: int
    acked: int  # results acknowledged, from the first on


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event that waits: for a provider to come back, for its campaign to go on, for the time that was reserved."""

    record: Record
    due_at: int
    reason: str
    since: int
    send_by: int  # past it the event waits for nothing: its messages are to be settled
    campaign: str = ""  # ims.rules.campaigns.held_name
    messages: int = 0


class Parked(NamedTuple):
    """An event that waits, as its releaser looks at it."""

    due_at: int
    reason: str


class Taken(NamedTuple):
    """A held event that `Due.take_held` handed out, and until when nobody else gets it."""

    record: Record
    until: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a stage could not handle, whole, with why."""

    record: Record  # of the topic in which it died
    stage: str
    error_code: str
    error: str
    at: int


@dataclass(slots=True)
class Change:
    """A state change as a value. All of it happens, or (Conflict) none."""

    dispatches: list[Dispatch] = field(default_factory=list)  # written when the stored version is still theirs
    history: list[HistoryRow] = field(default_factory=list)
    arrays: list[ResultArray] = field(default_factory=list)
    held: list[HeldEvent] = field(default_factory=list)
    released: Sequence[Taken] = ()  # held events whose rest ends, unless they were parked anew meanwhile
    dead: list[DeadLetter] = field(default_factory=list)
    audits: Sequence[tuple[str, AuditRecorded]] = ()  # with the id of the event that brought each

    @property
    def holds_state(self) -> bool:
        """Whether anything but `released` is to be written."""
        parts = (self.dispatches, self.history, self.arrays, self.held, self.dead, self.audits)
        return any(parts)


class Journal(Protocol):
    """State and log of every lane.

    `commit` makes the change, then appends the records, then ends the rest of what is released, and returns when all is
    stored (embedded: in one transaction). `durable` adds the sync to disk before returning; without it kill -9 keeps the
    write and power loss may undo it together with everything after it. Conflict: another writer was faster, nothing was
    changed or appended. Unavailable: the store does not answer; the outcome is unknown and the same commit may be repeated.
    """

    async def commit(self, lane: Lane, change: Change, records: Sequence[Record] = (), *, durable: bool = False) -> None: ...

    async def dispatches(self, lane: Lane, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Dispatch]:
        """The rows that exist, each a copy of its own."""
        ...

    async def payloads(self, lane: Lane, births: Sequence[str]) -> dict[str, MessageAccepted]:
        """The birth events as they were accepted, opened. They never change, and are not the caller's to change."""
        ...


class Due(Protocol):
    """What the always-on workers look for. Taking moves the due time on, so a worker that dies only delays."""

    async def take_deadlines(self, lane: Lane, now: int, again_at: int, limit: int) -> list[tuple[str, int, int]]:
        """Dispatch rows (birth, attempt, due_at) whose time has come; they come again at `again_at` unless changed."""
        ...

    async def is_held(self, lane: Lane, birth: str) -> bool:
        """Whether an event of this birth is parked."""
        ...

    async def take_held(self, lane: Lane, now: int, again_at: int, most: Mapping[str, int]) -> list[Taken]:
        """Parked events whose time has come, at most so many of each topic; `Change.released` ends their rest.

        A page of those whose send_by has passed comes in any case: they wait for no provider.
        """
        ...

    async def parked(self, lane: Lane, ids: Sequence[str]) -> dict[str, Parked]:
        """Those of these events that are parked."""
        ...

    async def waiting(self, lane: Lane, reason: str) -> list[str]:
        """The campaigns (ims.rules.campaigns.held_name) of events that wait for this reason."""
        ...

    async def wake(self, lane: Lane, campaign: str, reason: str, due_at: int, most: int) -> tuple[int, int]:
        """Make at most so many of a campaign's events that wait for this reason due then; events and messages."""
        ...


class Outbox(Protocol):
    """What the log did not take while it was away. None where log and state are one."""

    async def relay(self, lane: Lane) -> int:
        """Append a page of what waits, the oldest first; how much there was. Unavailable while the log is away."""
        ...


class Retention(Protocol):
    """Forgetting what has had its time."""

    async def drop_page(self, lane: Lane, now: int, keep_from: int) -> int:
        """Drop acceptance slices and delete rows older than `keep_from`, a page of them; how much went, 0 when nothing is left.

        Rows of the invariants outlive every send_by by a day, whatever `keep_from` says.
        """
        ...


class Acceptance(Protocol):
    """Where a message becomes ours (design invariant 2)."""

    async def accept(self, kind: Lane, reservations: Sequence[Reservation], births: Sequence[Birth]) -> list[Existing]:
        """All or nothing, durable: empty answer = every row is accepted and every event is in the log.

        A non-empty answer names the keys that were there already, and nothing was written. Births of a lane other than
        `kind` are reserved first, appended in their own lane, then accepted; repeating is harmless.
        """
        ...

    async def find(self, kind: Lane, keys: Sequence[bytes]) -> dict[bytes, Existing]:
        """The newest acceptance of each key, of today or yesterday (UTC slices)."""
        ...

    async def find_ever(self, kind: Lane, key: bytes) -> Existing | None:
        """The newest acceptance of a key in any kept slice: how a message is found by its message_id."""
        ...

    async def complete(self, kind: Lane, birth: str) -> None:
        """Append the stored event of a birth that is only reserved, and accept its rows."""
        ...
