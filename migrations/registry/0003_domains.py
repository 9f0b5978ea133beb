"""Domains that customers send e-mail from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0003_domains"
down_revision = "0002_push"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "sending_domains",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("domain", text_of(253), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("sending_domains", if_exists=True)
