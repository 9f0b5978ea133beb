"""What customers chose where a rule leaves them a choice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0008_customer_rules"
down_revision = "0007_campaigns"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "customer_rules",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("rule", sa.String(30), primary_key=True),
        sa.Column("choice", sa.String(30), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )


def downgrade() -> None:
    if "customer_rules" in sa.inspect(op.get_bind()).get_table_names():
        op.drop_table("customer_rules")
