"""Who may do what, the record of acts, halts, notices, and what has to leave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add them; plans of before are not signed."""
    for name in ("signature", "signer"):
        column = sa.Column(name, sa.String, nullable=False, server_default=sa.text("''"))
        op.add_column("plans", column)
    _record()
    _access()
    _site()
    _leaving()


def _record() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("at", "actor", "action")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("object", "entry", "hash")),
    )
    for name in ("actor", "action", "object"):
        op.create_index(f"ix_audit_{name}", "audit", [name])
    op.create_table(
        "requests",
        sa.Column("caller", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("fingerprint", "at", "effect")),
        sa.Column("status", sa.Integer, nullable=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("headers", "body")),
    )
    op.create_index("ix_requests_at", "requests", ["at"])


def _access() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("name", "role", "hash")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("created_at", "created_by")),
        sa.Column("expires_at", sa.String, nullable=True),
        sa.Column("addresses", sa.String, nullable=False),
        sa.Column("last_used_at", sa.String, nullable=True),
        sa.Column("last_used_from", sa.String, nullable=False),
        sa.Column("revoked_at", sa.String, nullable=True),
        sa.Column("revoked_by", sa.String, nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("name", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("role", "password", "totp")),
        sa.Column("totp_used", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("subject", "created_at")),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("disabled_at", sa.String, nullable=True),
    )
    op.create_index("ix_people_subject", "people", ["subject"])
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("person", "csrf")),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("created", "seen", "expires")),
        sa.Column("address", sa.String, nullable=False),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])


def _site() -> None:
    op.create_table(
        "halts",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("reason", "by", "at")),
    )
    op.create_table(
        "stops",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("run", "machine")),
    )
    op.create_index("ix_stops_at", "stops", ["at"])
    op.create_table(
        "notices",
        sa.Column("service", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("state", "text")),
        sa.Column("expected_at", sa.String, nullable=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("by", "at")),
    )


def _leaving() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("hook", "message", "payload")),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("status", "error")),
        sa.Column("sent_at", sa.String, nullable=True),
    )
    for name in ("hook", "due", "status"):
        op.create_index(f"ix_outbox_{name}", "outbox", [name])
    op.create_table(
        "hooks",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("txn", sa.BigInteger, nullable=False),
        sa.Column("run", sa.String, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("disabled", sa.String, nullable=False),
    )
