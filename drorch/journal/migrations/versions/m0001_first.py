"""The tables of the first version, on SQLite alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _plans()
    _runs()
    op.create_table(
        "events",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("data", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claims",
        sa.Column("estate", sa.String, primary_key=True),
        sa.Column("machine", sa.String, primary_key=True),
        sa.Column("run", sa.String, nullable=False, index=True),
    )
    op.create_table(
        "estates",
        sa.Column("connector", sa.String, primary_key=True),
        sa.Column("identity", sa.String, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run", sa.String, nullable=False, index=True),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("data", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("answered_at", sa.String, index=True),
        sa.Column("refused", sa.String, nullable=False),
    )
    op.create_table(
        "holds",
        sa.Column("connector", sa.String, primary_key=True),
        sa.Column("machine", sa.String, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )


def _plans() -> None:
    op.create_table(
        "plans",
        sa.Column("plan", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String, nullable=False, index=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, index=True),
        sa.Column("plan", sa.String, nullable=False, index=True),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False, index=True),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("ended_at", sa.String),
        sa.Column("summary", sa.String, nullable=False),
    )
