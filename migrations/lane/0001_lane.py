"""The tables of a lane's database as the first release had them. A step that was cut off can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0001_lane"
down_revision = None
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
number64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
blob = sa.LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")


def ascii_text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def bytes_of(length: int) -> TypeEngine[bytes]:
    return sa.LargeBinary(length).with_variant(sa.VARBINARY(length), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "arrays",
        sa.Column("seq", number64, primary_key=True, autoincrement=True),
        sa.Column("id", ascii_text(26), nullable=False),
        sa.Column("service_key", text_of(40), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("endpoint_key", ascii_text(26), nullable=False),
        sa.Column("count", number64, nullable=False),
        sa.Column("created_at", number64, nullable=False),
        sa.Column("body", blob, nullable=False),
        sa.Column("key_id", ascii_text(20), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("due_at", number64, nullable=False),
        sa.Column("claimed_until", number64, nullable=False),
        sa.Column("acked", sa.Integer(), nullable=False),
        sa.Column("lease", ascii_text(26), nullable=False),
        sa.Column("lease_until", number64, nullable=False),
        sa.Column("lease_upto", sa.Integer(), nullable=False),
        sa.UniqueConstraint("id", name="arrays_id"),
        **TABLE,
    )
    _index("arrays_by_endpoint", "arrays", "endpoint_key", "due_at")
    _index("arrays_by_key", "arrays", "service_key", "created_at")
    _index("arrays_due", "arrays", "due_at")
    _index("arrays_lease", "arrays", "lease")
    op.create_table(
        "audit",
        sa.Column("id", ascii_text(26), primary_key=True),
        sa.Column("at", number64, nullable=False),
        sa.Column("who", text_of(60), nullable=False),
        sa.Column("action", ascii_text(40), nullable=False),
        sa.Column("target", text_of(80), nullable=False),
        sa.Column("note", text_of(200), nullable=False),
        **TABLE,
    )
    if op.get_bind().dialect.name == "sqlite":  # the embedded log
        op.create_table(
            "cursors",
            sa.Column("consumer_group", ascii_text(60), primary_key=True),
            sa.Column("topic", ascii_text(40), primary_key=True),
            sa.Column("seq", number64, nullable=False),
            sqlite_with_rowid=False,
            **TABLE,
        )
    op.create_table(
        "daily",
        sa.Column("day", ascii_text(10), primary_key=True),
        sa.Column("service_key", text_of(40), primary_key=True),
        sa.Column("report_type", ascii_text(8), primary_key=True),
        sa.Column("result", ascii_text(12), primary_key=True),
        sa.Column("count", number64, nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "dead",
        sa.Column("seq", number64, primary_key=True, autoincrement=True),
        sa.Column("id", ascii_text(80), nullable=False),
        sa.Column("stage", ascii_text(20), nullable=False),
        sa.Column("topic", ascii_text(40), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("data", blob, nullable=False),
        sa.Column("error_code", ascii_text(8), nullable=False),
        sa.Column("error", text_of(200), nullable=False),
        sa.Column("at", number64, nullable=False),
        sa.Column("replayed_at", number64, nullable=False),
        sa.UniqueConstraint("id", "stage", name="dead_once"),
        **TABLE,
    )
    op.create_table(
        "dispatches",
        sa.Column("birth", ascii_text(26), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("received_at", number64, nullable=False),
        sa.Column("due_at", number64, nullable=False),
        sa.Column("doc", blob, nullable=False),
        mysql_partition_by="RANGE COLUMNS(birth) (PARTITION rest VALUES LESS THAN (MAXVALUE))",
        **TABLE,
    )
    _index("dispatches_due", "dispatches", "due_at")
    op.create_table(
        "held",
        sa.Column("id", ascii_text(26), primary_key=True),
        sa.Column("birth", ascii_text(26), nullable=False),
        sa.Column("topic", ascii_text(40), nullable=False),
        sa.Column("due_at", number64, nullable=False),
        sa.Column("since", number64, nullable=False),
        sa.Column("send_by", number64, nullable=False),
        sa.Column("reason", text_of(60), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("data", blob, nullable=False),
        **TABLE,
    )
    _index("held_by_birth", "held", "birth")
    _index("held_due", "held", "topic", "due_at")
    _index("held_over", "held", "send_by")
    _index("held_since", "held", "since")
    op.create_table(
        "history",
        sa.Column("birth", ascii_text(26), primary_key=True),
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("service_key", text_of(40), nullable=False),
        sa.Column("message_id", text_of(30), nullable=False),
        sa.Column("campaign_id", text_of(30), nullable=False),
        sa.Column("report_type", ascii_text(8), nullable=False),
        sa.Column("result", ascii_text(12), nullable=False),
        sa.Column("report_code", ascii_text(8), nullable=False),
        sa.Column("provider", ascii_text(20), nullable=False),
        sa.Column("provider_code", text_of(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("recipient", text_of(20), nullable=False),
        sa.Column("recipient_index", bytes_of(12), nullable=False),
        sa.Column("bill_code", text_of(20), nullable=False),
        sa.Column("template_code", text_of(30), nullable=False),
        sa.Column("received_at", number64, nullable=False),
        sa.Column("distributed_at", number64, nullable=False),
        sa.Column("sent_at", number64, nullable=False),
        sa.Column("response_at", number64, nullable=False),
        sa.Column("report_at", number64, nullable=False),
        sqlite_with_rowid=False,
        mysql_partition_by="RANGE COLUMNS(birth) (PARTITION rest VALUES LESS THAN (MAXVALUE))",
        **TABLE,
    )
    _index("history_by_recipient", "history", "recipient_index", "received_at")
    if op.get_bind().dialect.name == "sqlite":  # the embedded log
        op.create_table(
            "log",
            sa.Column("seq", number64, primary_key=True, autoincrement=True),
            sa.Column("topic", ascii_text(40), nullable=False),
            sa.Column("attributes", sa.Text(), nullable=False),
            sa.Column("data", blob, nullable=True),
            sa.Column("at", number64, nullable=False),
            sqlite_autoincrement=True,
            **TABLE,
        )
        _index("log_by_topic", "log", "topic", "seq")
    op.create_table(
        "outbox",
        sa.Column("birth", ascii_text(26), primary_key=True),
        sa.Column("at", number64, nullable=False),
        **TABLE,
    )
    _index("outbox_by_time", "outbox", "at")
    op.create_table(
        "payloads",
        sa.Column("birth", ascii_text(26), primary_key=True),
        sa.Column("topic", ascii_text(40), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("data", blob, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("received_at", number64, nullable=False),
        mysql_partition_by="RANGE COLUMNS(birth) (PARTITION rest VALUES LESS THAN (MAXVALUE))",
        **TABLE,
    )


def downgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for table in (
        "payloads",
        "outbox",
        "log",
        "history",
        "held",
        "dispatches",
        "dead",
        "daily",
        "cursors",
        "audit",
        "arrays",
    ):
        if table in there:
            op.drop_table(table)
    for slice_ in (name for name in there if name.startswith("acceptance_")):
        op.drop_table(slice_)


def _index(name: str, table: str, *columns: str) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))
