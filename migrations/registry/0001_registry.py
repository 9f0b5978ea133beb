"""The tables of the registry's database as the first release had them. A step that was cut off can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARCHAR
from sqlalchemy.types import TypeEngine

revision = "0001_registry"
down_revision = None
branch_labels = None
depends_on = None

TABLE = {"if_not_exists": True, "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
blob = sa.LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")


def text_of(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "callback_secrets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("sealed", blob, nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("callback_secrets_by_customer", "callback_secrets", "customer", "created_at")
    op.create_table(
        "credentials",
        sa.Column("username", text_of(40), primary_key=True),
        sa.Column("digest", sa.VARBINARY(32), primary_key=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("credentials_by_customer", "credentials", "customer")
    op.create_table(
        "customers",
        sa.Column("name", text_of(40), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "demo_secrets",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("username", text_of(40), primary_key=True),
        sa.Column("sealed", blob, nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "endpoints",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "opt_outs",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("channel", sa.String(10), primary_key=True),
        sa.Column("recipient", sa.VARBINARY(12), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    _index("opt_outs_by_time", "opt_outs", "customer", "channel", "created_at")
    op.create_table(
        "registry_version",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "sender_numbers",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("number", sa.String(20), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "sender_profiles",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("sender_key", text_of(40), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "service_keys",
        sa.Column("key", text_of(40), primary_key=True),
        sa.Column("customer", text_of(40), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("allowed_ips", sa.Text(), nullable=False),
        sa.Column("rate_per_s", sa.Integer(), nullable=False),
        sa.Column("daily_cap", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    _index("service_keys_by_customer", "service_keys", "customer", "created_at")
    op.create_table(
        "stops",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("value", text_of(60), primary_key=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "templates",
        sa.Column("customer", text_of(40), primary_key=True),
        sa.Column("channel", sa.String(10), primary_key=True),
        sa.Column("code", text_of(30), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.String(10), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **TABLE,
    )
    version = sa.table("registry_version", sa.column("id"), sa.column("version"), sa.column("created_at"))
    if op.get_bind().execute(sa.select(version.c.id)).first() is None:
        op.execute(version.insert().values(id=1, version=1, created_at=0))


def downgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for table in (
        "templates",
        "stops",
        "service_keys",
        "sender_profiles",
        "sender_numbers",
        "registry_version",
        "opt_outs",
        "endpoints",
        "demo_secrets",
        "customers",
        "credentials",
        "callback_secrets",
    ):
        if table in there:
            op.drop_table(table)


def _index(name: str, table: str, *columns: str) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))
