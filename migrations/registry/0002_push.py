"""Apps that push goes to, and the tokens of their users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0002_push"
down_revision = "0001_registry"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
blob = sa.LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "push_apps",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("app_id", text_of(40), primary_key=True),
        sa.Column("fcm", sa.Boolean(), nullable=False),
        sa.Column("apns", sa.Boolean(), nullable=False),
        sa.Column("sealed", blob, nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "push_tokens",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("app_id", text_of(40), primary_key=True),
        sa.Column("token", sa.VARBINARY(12), primary_key=True),
        sa.Column("owner", sa.VARBINARY(12), nullable=False),
        sa.Column("platform", sa.String(10), nullable=False),
        sa.Column("sealed", blob, nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        sa.Column("notification", sa.Boolean(), nullable=False),
        sa.Column("notification_at", sa.BigInteger(), nullable=False),
        sa.Column("ad", sa.Boolean(), nullable=False),
        sa.Column("ad_at", sa.BigInteger(), nullable=False),
        sa.Column("night_ad", sa.Boolean(), nullable=False),
        sa.Column("night_ad_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_code", sa.String(10), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    if "push_tokens_by_owner" not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes("push_tokens")}:
        op.create_index("push_tokens_by_owner", "push_tokens", ["customer", "app_id", "owner", "retired_at", "seen_at"])


def downgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for table in ("push_tokens", "push_apps"):
        if table in there:
            op.drop_table(table)
