"""Which arrays are wholly acknowledged: a customer who polls does not walk through all that it ever acknowledged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_arrays_open"
down_revision = "0001_lane"
branch_labels = None
depends_on = None


def upgrade() -> None:
    look = sa.inspect(op.get_bind())
    if "done" not in {c["name"] for c in look.get_columns("arrays")}:
        # Arrays of before are looked at until they are acknowledged or forgotten: 0 is right for all of them, and slower.
        op.add_column("arrays", sa.Column("done", sa.Integer(), nullable=False, server_default="0"))
    if "arrays_open" not in {i["name"] for i in look.get_indexes("arrays")}:
        op.create_index("arrays_open", "arrays", ["service_key", "done", "created_at"])


def downgrade() -> None:
    look = sa.inspect(op.get_bind())
    if "arrays_open" in {i["name"] for i in look.get_indexes("arrays")}:
        op.drop_index("arrays_open", "arrays")
    if "done" in {c["name"] for c in look.get_columns("arrays")}:
        op.execute("ALTER TABLE arrays DROP COLUMN done")
