"""What customers claim of sender numbers, and who changed what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0009_registers"
down_revision = "0008_customer_rules"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "number_claims",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("number", sa.String(20), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("proof", text_of(40), nullable=False),
        sa.Column("reason", text_of(200), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    _index("number_claims_by_state", "number_claims", "state", "claimed_at")
    op.create_table(
        "audits",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("user", text_of(40), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("target", text_of(200), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("audits_by_customer", "audits", "customer", "number")
    _index("audits_by_time", "audits", "created_at")


def downgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    for table in ("audits", "number_claims"):
        if table in there:
            op.drop_table(table)


def _index(name: str, table: str, *columns: str) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))
