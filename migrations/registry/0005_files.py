"""Files that customers upload for their messages, and what providers call those that they were given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0005_files"
down_revision = "0004_providers"
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("file_key", text_of(40), primary_key=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("files_by_customer", "files", "customer", "expires_at")
    _index("files_by_end", "files", "expires_at")
    op.create_table(
        "handed_files",
        sa.Column("file_key", text_of(40), primary_key=True),
        sa.Column("handed_to", text_of(60), primary_key=True),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("handed_files_by_end", "handed_files", "expires_at")


def downgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    for table in ("handed_files", "files"):
        if table in there:
            op.drop_table(table)


def _index(name: str, table: str, *columns: str) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))
