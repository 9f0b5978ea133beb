"""The tables of a lane: what the invariants need, and no column that nobody reads.

Sealed columns hold nonce + ciphertext (ims.protocol.sealing), `key_id` says under which key.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

# The birth event, sealed: whole rows and shared fields (invariant 2). Outlives send_by; fallback and results read it.
payloads = Table(
    "payloads",
    metadata,
    Column("birth", String(26), primary_key=True),
    Column("topic", String(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("received_at", Integer, nullable=False),
    Index("payloads_by_time", "received_at"),
)

# The row of (birth event, attempt): ims.ports.dispatch.
dispatches = Table(
    "dispatches",
    metadata,
    Column("birth", String(26), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("received_at", Integer, nullable=False),
    Column("due_at", Integer, nullable=False),  # 0: no deadline waits
    Column("doc", LargeBinary, nullable=False),
    Index("dispatches_due", "due_at"),
)

# One row per settled message (invariant 10); its message_id is found through the acceptance slices.
history = Table(
    "history",
    metadata,
    Column("birth", String(26), primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("service_key", String(40), nullable=False),
    Column("message_id", String(30), nullable=False),
    Column("campaign_id", String(30), nullable=False),
    Column("report_type", String(8), nullable=False),
    Column("result", String(12), nullable=False),
    Column("report_code", String(8), nullable=False),
    Column("provider", String(20), nullable=False),
    Column("provider_code", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("recipient", String(20), nullable=False),  # masked
    Column("recipient_index", LargeBinary(12), nullable=False),
    Column("bill_code", String(20), nullable=False),
    Column("template_code", String(30), nullable=False),
    Column("received_at", Integer, nullable=False),
    Column("distributed_at", Integer, nullable=False),
    Column("sent_at", Integer, nullable=False),
    Column("response_at", Integer, nullable=False),
    Column("report_at", Integer, nullable=False),
    Index("history_by_recipient", "recipient_index", "received_at"),
    sqlite_with_rowid=False,
)

# The day's counters (Asia/Seoul), moved in the transaction that writes the history row.
daily = Table(
    "daily",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("service_key", String(40), primary_key=True),
    Column("report_type", String(8), primary_key=True),
    Column("result", String(12), primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Result arrays (invariant 11): what polling, replay and the callbacks repeat unchanged.
arrays = Table(
    "arrays",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(26), nullable=False),
    Column("service_key", String(40), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("endpoint_key", String(26), nullable=False),
    Column("count", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("key_id", String(20), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("due_at", Integer, nullable=False),  # 0: no call is wanted
    Column("claimed_until", Integer, nullable=False),
    Column("acked", Integer, nullable=False),
    Column("lease", String(26), nullable=False),  # of a polling customer
    Column("lease_until", Integer, nullable=False),
    Column("lease_upto", Integer, nullable=False),
    UniqueConstraint("id", name="arrays_id"),
    Index("arrays_due", "due_at"),
    Index("arrays_by_endpoint", "endpoint_key", "due_at"),
    Index("arrays_by_key", "service_key", "created_at"),
    Index("arrays_lease", "lease"),
)

# Birth events that the log did not take while it was away; they lie in payloads. Only where the log is a system of its own.
outbox = Table(
    "outbox",
    metadata,
    Column("birth", String(26), primary_key=True),
    Column("at", Integer, nullable=False),
    Index("outbox_by_time", "at"),
)

# Events parked while a provider is away (invariant 9).
held = Table(
    "held",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("birth", String(26), nullable=False),
    Column("topic", String(40), nullable=False),
    Column("due_at", Integer, nullable=False),
    Column("since", Integer, nullable=False),
    Column("send_by", Integer, nullable=False),
    Column("reason", String(60), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),  # last: what stands after 40 KB can only be read by walking through them
    Index("held_due", "topic", "due_at"),
    Index("held_over", "send_by"),
    Index("held_since", "since"),
    Index("held_by_birth", "birth"),
)

dead = Table(
    "dead",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(80), nullable=False),
    Column("stage", String(20), nullable=False),
    Column("topic", String(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("error_code", String(8), nullable=False),
    Column("error", String(200), nullable=False),
    Column("at", Integer, nullable=False),
    Column("replayed_at", Integer, nullable=False),
    UniqueConstraint("id", "stage", name="dead_once"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Integer, nullable=False),
    Column("who", String(60), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", String(80), nullable=False),
    Column("note", String(200), nullable=False),
)

# The embedded event log. `data` NULL: a birth event, whose data lies in payloads.
log = Table(
    "log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("topic", String(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", LargeBinary),
    Column("at", Integer, nullable=False),
    Index("log_by_topic", "topic", "seq"),
    sqlite_autoincrement=True,
)

# How far each consumer group has come: everything up to `seq` is finished.
cursors = Table(
    "cursors",
    metadata,
    Column("consumer_group", String(60), primary_key=True),
    Column("topic", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),
    sqlite_with_rowid=False,
)

_slices = MetaData()


@cache
def acceptance_slice(day: int) -> Table:
    """The acceptance rows of one UTC day: dropped whole when their time is over."""
    return Table(
        f"acceptance_{day}",
        _slices,
        Column("key", LargeBinary(16), primary_key=True),
        Column("digest", LargeBinary(8), nullable=False),
        Column("birth", String(26), nullable=False),
        Column("pos", Integer, nullable=False),
        Column("at", Integer, nullable=False),
        Column("accepted", Integer, nullable=False),
        sqlite_with_rowid=False,
    )
