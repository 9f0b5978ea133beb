"""What was ordered of campaigns, and whose campaigns wait for an approval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0007_campaigns"
down_revision = "0006_rcs"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "approving_customers",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "campaigns",
        sa.Column("service_key", text_of(40), primary_key=True),
        sa.Column("campaign_id", text_of(30), primary_key=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("pace_per_s", sa.Integer(), nullable=False),
        sa.Column("approved_by", text_of(40), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    if "campaigns_by_change" not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes("campaigns")}:
        op.create_index("campaigns_by_change", "campaigns", ["changed_at"])


def downgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    for table in ("campaigns", "approving_customers"):
        if table in there:
            op.drop_table(table)
