"""Which channel a message was asked for on, beside what it became: RECEIVED is counted by channel until the first result."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR

revision = "0004_history_channel"
down_revision = "0003_campaigns"
branch_labels = None
depends_on = None

ASKED_ON = {"SMS": "MT", "LMS": "MT", "MMS": "MT", "RCS": "RC"}  # what no fallback changed
channel = sa.String(4).with_variant(VARCHAR(4, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


def upgrade() -> None:
    columns = {c["name"] for c in sa.inspect(op.get_bind()).get_columns("history")}
    if "channel" not in columns:
        op.add_column("history", sa.Column("channel", channel, nullable=False, server_default=""))
        _move(-1)


def _move(sign: int) -> None:
    """RECEIVED counted every accepted message before, and counts those without a result since."""
    conn = op.get_bind()
    settled = (
        "SELECT day, service_key, report_type, SUM(count) FROM daily WHERE result <> 'RECEIVED' "
        "GROUP BY day, service_key, report_type"
    )
    change = sa.text(
        "UPDATE daily SET count = count + :by WHERE day = :day AND service_key = :key AND report_type = :kind AND result = 'RECEIVED'"
    )
    for day, key, kind, count in conn.exec_driver_sql(settled).fetchall():
        conn.execute(change, {"by": sign * int(count), "day": day, "key": key, "kind": ASKED_ON.get(kind, kind)})


def downgrade() -> None:
    _move(1)
    op.execute("ALTER TABLE history DROP COLUMN channel")
