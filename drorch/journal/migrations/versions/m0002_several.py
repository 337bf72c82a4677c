"""Several orchestrators: leases, who is there, and the order in which transactions are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them. Events of before have been read by everybody: they come first."""
    op.add_column(
        "events", sa.Column("txn", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    )
    op.create_index("ix_events_txn", "events", ["txn"])
    op.create_table(
        "leases",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("site", sa.String, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "nodes",
        sa.Column("site", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("started_at", sa.String, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
        sa.Column("patience", sa.Float, nullable=False),
        sa.Column("note", sa.String, nullable=False),
    )
