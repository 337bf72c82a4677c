"""The tables. Rows live here only; the rest of drorch sees domain values."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

import drorch.journal.access_tables  # noqa: F401 (part of the same schema)

REVISION = "0004"
"""The newest schema, as the migrations number it; a newer one is refused."""

IMPORTED = "imported"
"""The status of a run that is open elsewhere and was brought here for reading alone."""


class PlanRow(SQLModel, table=True):
    """One revision of a stored plan; the same content is stored once."""

    __tablename__ = "plans"

    plan: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    digest: str = Field(index=True)
    source: str
    created_at: str
    created_by: str = ""
    signature: str = ""
    """An OpenSSH signature of the source, and below who signed, as it was checked on arrival."""
    signer: str = ""


class RunRow(SQLModel, table=True):
    """One line per run for lists; the truth is in its events."""

    __tablename__ = "runs"

    id: str = Field(primary_key=True)
    number: int = Field(index=True)
    plan: str = Field(index=True)
    mode: str
    status: str = Field(index=True)
    created_at: str
    ended_at: str | None = None
    summary: str = "{}"


class EventRow(SQLModel, table=True):
    """The journal. The primary key is the promise: nobody appends to a place twice."""

    __tablename__ = "events"
    __table_args__ = {"sqlite_with_rowid": False}

    run: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    type: str
    version: int = 1
    data: str
    txn: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, index=True))
    """Which transaction stored it, in the order in which transactions may be read."""


class LeaseRow(SQLModel, table=True):
    """Who drives a run, and since how many owners. On PostgreSQL; SQLite has file locks.

    ``expires`` is in seconds by the database's clock; ``site`` names a data folder.
    """

    __tablename__ = "leases"

    run: str = Field(primary_key=True)
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    holder: str
    site: str
    expires: float


class NodeRow(SQLModel, table=True):
    """One orchestrator. ``seen`` is in seconds by the database's clock, ``note`` for people."""

    __tablename__ = "nodes"

    site: str = Field(primary_key=True)
    name: str
    version: str
    address: str = ""
    started_at: str
    seen: float
    patience: float = 15.0
    note: str = ""


class ClaimRow(SQLModel, table=True):
    """Which open live run may act on a machine; unique by its key."""

    __tablename__ = "claims"

    estate: str = Field(primary_key=True)
    machine: str = Field(primary_key=True)
    run: str = Field(index=True)


class EstateRow(SQLModel, table=True):
    """Who answered last behind a connector, for the night when nobody does."""

    __tablename__ = "estates"

    connector: str = Field(primary_key=True)
    identity: str


class InboxRow(SQLModel, table=True):
    """Decisions of people, put here by anybody and answered by the run's owner alone."""

    __tablename__ = "inbox"

    id: int | None = Field(default=None, primary_key=True)
    run: str = Field(index=True)
    decision: str
    data: str
    at: str
    answered_at: str | None = Field(default=None, index=True)
    refused: str = ""


class HoldRow(SQLModel, table=True):
    """A machine that no run may start until somebody lifts it."""

    __tablename__ = "holds"

    connector: str = Field(primary_key=True)
    machine: str = Field(primary_key=True)
    reason: str
    by: str
    at: str


class SightingRow(SQLModel, table=True):
    """How a service was found when it was last looked at, outside of any run.

    ``looked_at`` is in seconds by the database's clock; ``since`` is when it was first so.
    """

    __tablename__ = "service_sightings"

    plan: str = Field(primary_key=True)
    service: str = Field(primary_key=True)
    state: str
    evidence: str
    since: str
    looked_at: float


class LookoutRow(SQLModel, table=True):
    """Which orchestrator looks at the services. ``expires`` as in `LeaseRow`."""

    __tablename__ = "lookouts"

    duty: str = Field(primary_key=True)
    holder: str
    expires: float
