"""What operators said of providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_providers"
down_revision = "0003_domains"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "provider_words",
        sa.Column("family", sa.String(10), primary_key=True),
        sa.Column("provider", sa.String(20), primary_key=True),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("provider_words", if_exists=True)
