"""The tables of a lane: what the invariants need, and no column that nobody reads.

Sealed columns hold nonce + ciphertext (ims.protocol.sealing), `key_id` says under which key.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

from ims.adapters.sql.column_types import ON_A_SERVER, digest, identifier, name, number64, sealed
from ims.adapters.sql.partitions import PARTITION_BY
from ims.ports.records import PROVIDER_CODE_CHARS

metadata = MetaData()

_CUT: dict[str, Any] = {**ON_A_SERVER, "mysql_partition_by": PARTITION_BY}  # by the day in `birth`: ims.adapters.sql.partitions
_EMBEDDED = {"embedded": True}  # where the log is a system of its own these are not made

# The birth event, sealed: whole rows and shared fields (invariant 2). Outlives send_by; fallback and results read it.
payloads = Table(
    "payloads",
    metadata,
    Column("birth", identifier(26), primary_key=True),
    Column("topic", identifier(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", sealed(), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("received_at", number64(), nullable=False),
    **_CUT,
)

# The row of (birth event, attempt): ims.ports.dispatch.
dispatches = Table(
    "dispatches",
    metadata,
    Column("birth", identifier(26), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("received_at", number64(), nullable=False),
    Column("due_at", number64(), nullable=False),  # 0: no deadline waits
    Column("doc", sealed(), nullable=False),
    Index("dispatches_due", "due_at"),
    **_CUT,
)

# One row per settled message (invariant 10); its message_id is found through the acceptance slices.
history = Table(
    "history",
    metadata,
    Column("birth", identifier(26), primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("service_key", name(40), nullable=False),
    Column("message_id", name(30), nullable=False),
    Column("campaign_id", name(30), nullable=False),
    Column("report_type", identifier(8), nullable=False),
    Column("result", identifier(12), nullable=False),
    Column("report_code", identifier(8), nullable=False),
    Column("provider", identifier(20), nullable=False),
    Column("provider_code", name(PROVIDER_CODE_CHARS), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("recipient", name(20), nullable=False),  # masked
    Column("recipient_index", digest(12), nullable=False),
    Column("bill_code", name(20), nullable=False),
    Column("template_code", name(30), nullable=False),
    Column("received_at", number64(), nullable=False),
    Column("distributed_at", number64(), nullable=False),
    Column("sent_at", number64(), nullable=False),
    Column("response_at", number64(), nullable=False),
    Column("report_at", number64(), nullable=False),
    Column("channel", identifier(4), nullable=False, server_default=""),  # asked for; empty: written before it was kept
    Index("history_by_recipient", "recipient_index", "received_at"),
    sqlite_with_rowid=False,
    **_CUT,
)

# The day's counters (Asia/Seoul), moved in the transaction that writes the history row.
daily = Table(
    "daily",
    metadata,
    Column("day", identifier(10), primary_key=True),
    Column("service_key", name(40), primary_key=True),
    Column("report_type", identifier(8), primary_key=True),
    Column("result", identifier(12), primary_key=True),
    Column("count", number64(), nullable=False),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# How far each campaign is: accepted ones under RECEIVED, settled ones under their result. Moved as the day's counters are.
campaign_counts = Table(
    "campaign_counts",
    metadata,
    Column("service_key", name(40), primary_key=True),
    Column("campaign_id", name(30), primary_key=True),
    Column("result", identifier(12), primary_key=True),
    Column("count", number64(), nullable=False),
    Column("at", number64(), nullable=False),  # when it last moved: how it is forgotten
    Index("campaign_counts_by_time", "at"),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# Result arrays (invariant 11): what polling, replay and the callbacks repeat unchanged.
arrays = Table(
    "arrays",
    metadata,
    Column("seq", number64(), primary_key=True, autoincrement=True),
    Column("id", identifier(26), nullable=False),
    Column("service_key", name(40), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("endpoint_key", identifier(26), nullable=False),
    Column("count", number64(), nullable=False),
    Column("created_at", number64(), nullable=False),
    Column("body", sealed(), nullable=False),
    Column("key_id", identifier(20), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("due_at", number64(), nullable=False),  # 0: no call is wanted
    Column("claimed_until", number64(), nullable=False),
    Column("acked", Integer, nullable=False),
    Column("lease", identifier(26), nullable=False),  # of a polling customer
    Column("lease_until", number64(), nullable=False),
    Column("lease_upto", Integer, nullable=False),
    Column("done", Integer, nullable=False),  # 1: wholly acknowledged, so that polling does not walk through all that ever was
    UniqueConstraint("id", name="arrays_id"),
    Index("arrays_due", "due_at"),
    Index("arrays_by_endpoint", "endpoint_key", "due_at"),
    Index("arrays_by_key", "service_key", "created_at"),
    Index("arrays_open", "service_key", "done", "created_at"),
    Index("arrays_lease", "lease"),
    **ON_A_SERVER,
)

# Birth events that the log did not take while it was away; they lie in payloads. Only where the log is a system of its own.
outbox = Table(
    "outbox",
    metadata,
    Column("birth", identifier(26), primary_key=True),
    Column("at", number64(), nullable=False),
    Index("outbox_by_time", "at"),
    **ON_A_SERVER,
)

# Events that wait: for a provider to come back (invariant 9), for their campaign to go on, for the time that was reserved.
held = Table(
    "held",
    metadata,
    Column("id", identifier(26), primary_key=True),
    Column("birth", identifier(26), nullable=False),
    Column("topic", identifier(40), nullable=False),
    Column("due_at", number64(), nullable=False),
    Column("since", number64(), nullable=False),
    Column("send_by", number64(), nullable=False),
    Column("reason", name(60), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", sealed(), nullable=False),  # what stands after 40 KB can only be read by walking through them: it is in an index
    Column("campaign", name(80), nullable=False),  # ims.rules.campaigns.held_name; empty: of events parked before there was one
    Column("messages", Integer, nullable=False),
    Index("held_due", "topic", "due_at"),
    Index("held_over", "send_by"),
    Index("held_since", "since"),
    Index("held_by_birth", "birth"),
    Index("held_by_campaign", "campaign", "reason", "since", "messages"),
    Index("held_by_reason", "reason", "campaign"),
    **ON_A_SERVER,
)

dead = Table(
    "dead",
    metadata,
    Column("seq", number64(), primary_key=True, autoincrement=True),
    Column("id", identifier(80), nullable=False),
    Column("stage", identifier(20), nullable=False),
    Column("topic", identifier(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", sealed(), nullable=False),
    Column("error_code", identifier(8), nullable=False),
    Column("error", name(200), nullable=False),
    Column("at", number64(), nullable=False),
    Column("replayed_at", number64(), nullable=False),
    UniqueConstraint("id", "stage", name="dead_once"),
    **ON_A_SERVER,
)

audit = Table(
    "audit",
    metadata,
    Column("id", identifier(26), primary_key=True),
    Column("at", number64(), nullable=False),
    Column("who", name(60), nullable=False),
    Column("action", identifier(40), nullable=False),
    Column("target", name(80), nullable=False),
    Column("note", name(200), nullable=False),
    **ON_A_SERVER,
)

# The embedded event log. `data` NULL: a birth event, whose data lies in payloads.
log = Table(
    "log",
    metadata,
    Column("seq", number64(), primary_key=True, autoincrement=True),
    Column("topic", identifier(40), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("data", sealed()),
    Column("at", number64(), nullable=False),
    Index("log_by_topic", "topic", "seq"),
    sqlite_autoincrement=True,
    info=_EMBEDDED,
)

# How far each consumer group has come: everything up to `seq` is finished.
cursors = Table(
    "cursors",
    metadata,
    Column("consumer_group", identifier(60), primary_key=True),
    Column("topic", identifier(40), primary_key=True),
    Column("seq", number64(), nullable=False),
    sqlite_with_rowid=False,
    info=_EMBEDDED,
)


@cache
def acceptance_slice(day: int) -> Table:
    """The acceptance rows of one UTC day: dropped whole when their time is over.

    Each has its own MetaData: at a day's first request the writers of several lanes may ask at once, and the cache lets
    both make it; in a shared one the second would be refused.
    """
    return Table(
        f"acceptance_{day}",
        MetaData(),
        Column("key", digest(16), primary_key=True),
        Column("digest", digest(8), nullable=False),
        Column("birth", identifier(26), nullable=False),
        Column("pos", Integer, nullable=False),
        Column("at", number64(), nullable=False),
        Column("accepted", Integer, nullable=False),
        sqlite_with_rowid=False,
        **ON_A_SERVER,
    )
