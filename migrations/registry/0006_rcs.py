"""RCS brands and the chatbots, by their sender numbers, that belong to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0006_rcs"
down_revision = "0005_files"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "rcs_brands",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("brand_key", text_of(40), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "rcs_chatbots",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("brand_key", text_of(40), primary_key=True),
        sa.Column("number", sa.String(20), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )


def downgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    for table in ("rcs_chatbots", "rcs_brands"):
        if table in there:
            op.drop_table(table)
