"""Whose campaign a held event is of, and how far each campaign is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0003_campaigns"
down_revision = "0002_arrays_open"
branch_labels = None
depends_on = None

number64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
INDEXES = {"held_by_campaign": ["campaign", "reason", "since", "messages"], "held_by_reason": ["reason", "campaign"]}


def text_of(length: int, charset: str = "utf8mb4") -> TypeEngine[str]:
    collation = "utf8mb4_bin" if charset == "utf8mb4" else "ascii_bin"
    return sa.String(length).with_variant(VARCHAR(length, charset=charset, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    look = sa.inspect(op.get_bind())
    columns = {c["name"] for c in look.get_columns("held")}
    if "campaign" not in columns:
        op.add_column("held", sa.Column("campaign", text_of(80), nullable=False, server_default=""))
    if "messages" not in columns:
        op.add_column("held", sa.Column("messages", sa.Integer(), nullable=False, server_default="0"))
    there = {i["name"] for i in look.get_indexes("held")}
    for name, of in INDEXES.items():
        if name not in there:
            op.create_index(name, "held", of)
    op.create_table(
        "campaign_counts",
        sa.Column("service_key", text_of(40), primary_key=True),
        sa.Column("campaign_id", text_of(30), primary_key=True),
        sa.Column("result", text_of(12, "ascii"), primary_key=True),
        sa.Column("count", number64, nullable=False),
        sa.Column("at", number64, nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    if "campaign_counts_by_time" not in {i["name"] for i in sa.inspect(op.get_bind()).get_indexes("campaign_counts")}:
        op.create_index("campaign_counts_by_time", "campaign_counts", ["at"])


def downgrade() -> None:
    look = sa.inspect(op.get_bind())
    if "campaign_counts" in look.get_table_names():
        op.drop_table("campaign_counts")
    indexes = {i["name"] for i in look.get_indexes("held")}
    for name in INDEXES:
        if name in indexes:
            op.drop_index(name, "held")
    columns = {c["name"] for c in look.get_columns("held")}
    for column in ("messages", "campaign"):
        if column in columns:
            op.execute(f"ALTER TABLE held DROP COLUMN {column}")
