"""What people agreed to, by channel and purpose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0010_consents"
down_revision = "0009_registers"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("channel", sa.String(10), primary_key=True),
        sa.Column("recipient", sa.VARBINARY(12), primary_key=True),
        sa.Column("purpose", sa.String(10), primary_key=True),
        sa.Column("agreed_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=False),
        sa.Column("source", text_of(60), nullable=False),
        sa.Column("wording", text_of(60), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )


def downgrade() -> None:
    if "consents" in sa.inspect(op.get_bind()).get_table_names():
        op.drop_table("consents")
