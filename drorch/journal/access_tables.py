"""The tables of who may do what, of the record of acts, and of what has to leave."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel


class AuditRow(SQLModel, table=True):
    """The record of acts. ``entry`` is the very text that was hashed; the rest is for finding."""

    __tablename__ = "audit"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: str
    actor: str = Field(index=True)
    action: str = Field(index=True)
    object: str = Field(index=True)
    entry: str
    hash: str


class RequestRow(SQLModel, table=True):
    """A request with an ``Idempotency-Key`` that had its effect; then the answer to it.

    ``effect`` is stored with the effect itself, in one transaction.
    """

    __tablename__ = "requests"

    caller: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str
    at: str = Field(index=True)
    effect: str
    status: int | None = None
    headers: str = "{}"
    body: str = ""


class TokenRow(SQLModel, table=True):
    """An API token; of its secret only the SHA-256 is here."""

    __tablename__ = "tokens"

    id: str = Field(primary_key=True)
    name: str
    role: str
    hash: str
    created_at: str
    created_by: str
    expires_at: str | None = None
    addresses: str = ""
    last_used_at: str | None = None
    last_used_from: str = ""
    revoked_at: str | None = None
    revoked_by: str = ""


class PersonRow(SQLModel, table=True):
    """Somebody who logs in with a browser. ``totp`` is sealed with a key from outside."""

    __tablename__ = "people"

    name: str = Field(primary_key=True)
    role: str
    password: str
    totp: str = ""
    totp_used: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    subject: str = Field(default="", index=True)
    """Who this is at the OIDC provider, as issuer and subject; empty for nobody there."""
    created_at: str
    created_by: str
    disabled_at: str | None = None


class SessionRow(SQLModel, table=True):
    """A browser that is logged in; its cookie's SHA-256. Times are in seconds."""

    __tablename__ = "sessions"

    hash: str = Field(primary_key=True)
    person: str = Field(index=True)
    csrf: str
    created: float
    seen: float
    expires: float
    address: str = ""


class HaltRow(SQLModel, table=True):
    """That nothing goes out anywhere: while there is a row, it does not."""

    __tablename__ = "halts"

    id: int = Field(default=1, primary_key=True)
    reason: str
    by: str
    at: str


class StopRow(SQLModel, table=True):
    """A stop order that was allowed to leave, for the ceiling per hour. ``at`` in seconds."""

    __tablename__ = "stops"

    id: int | None = Field(default=None, primary_key=True)
    at: float = Field(index=True)
    run: str
    machine: str


class NoticeRow(SQLModel, table=True):
    """What a person says of a service, until it is taken back."""

    __tablename__ = "notices"

    service: str = Field(primary_key=True)
    state: str
    text: str
    expected_at: str | None = None
    by: str
    at: str


class OutboxRow(SQLModel, table=True):
    """Something that has to leave. ``due`` in seconds; the status is pending, sent or failed."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, primary_key=True)
    hook: str = Field(index=True)
    message: str
    payload: str
    created_at: str
    due: float = Field(index=True)
    attempts: int = 0
    status: str = Field(default="pending", index=True)
    error: str = ""
    sent_at: str | None = None


class HookRow(SQLModel, table=True):
    """How far a web hook has been told of what happens, and whether its target wants no more."""

    __tablename__ = "hooks"

    name: str = Field(primary_key=True)
    txn: int = Field(sa_column=Column(BigInteger, nullable=False))
    run: str = ""
    seq: int = 0
    disabled: str = ""
