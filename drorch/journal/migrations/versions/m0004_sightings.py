"""How services are found on an ordinary day, and who looks at them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add both, empty: the next round fills them."""
    op.create_table(
        "service_sightings",
        sa.Column("plan", sa.String, primary_key=True),
        sa.Column("service", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("state", "evidence", "since")),
        sa.Column("looked_at", sa.Float, nullable=False),
    )
    op.create_table(
        "lookouts",
        sa.Column("duty", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
