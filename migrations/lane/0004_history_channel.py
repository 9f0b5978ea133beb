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


daily = sa.table("daily", *(sa.column(name) for name in ("day", "service_key", "report_type", "result", "count")))
MARK = {"day": "", "service_key": "", "report_type": "", "result": "MOVED"}  # counters are moved, the column is not changed yet
MARKED = sa.and_(*(daily.c[name] == value for name, value in MARK.items()))


def upgrade() -> None:
    if not _there():
        _move(-1)
        op.add_column("history", sa.Column("channel", channel, nullable=False, server_default=""))
    op.execute(sa.delete(daily).where(MARKED))


def _there() -> bool:
    return "channel" in {c["name"] for c in sa.inspect(op.get_bind()).get_columns("history")}


def _move(sign: int) -> None:
    """RECEIVED counted every accepted message before, and counts those without a result since.

    All of it and a mark in one transaction: a step that is cut off there and begun again moves nothing a second time.
    """
    conn = op.get_bind()
    if conn.execute(sa.select(daily.c.count).where(MARKED)).first() is not None:
        return
    settled = (
        "SELECT day, service_key, report_type, SUM(count) FROM daily WHERE result <> 'RECEIVED' "
        "GROUP BY day, service_key, report_type"
    )
    change = sa.text(
        "UPDATE daily SET count = count + :by WHERE day = :day AND service_key = :key AND report_type = :kind AND result = 'RECEIVED'"
    )
    conn.exec_driver_sql("BEGIN")
    for day, key, kind, count in conn.exec_driver_sql(settled).fetchall():
        conn.execute(change, {"by": sign * int(count), "day": day, "key": key, "kind": ASKED_ON.get(kind, kind)})
    conn.execute(sa.insert(daily).values(count=1, **MARK))
    conn.exec_driver_sql("COMMIT")


def downgrade() -> None:
    if _there():
        _move(1)
        op.execute("ALTER TABLE history DROP COLUMN channel")
    op.execute(sa.delete(daily).where(MARKED))
