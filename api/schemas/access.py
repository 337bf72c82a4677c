"""Tokens, the record, halts and notices over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, IPvAnyNetwork

from api.schemas.common import In, Out, PersonText, Reason
from drorch.access.roles import Role


def _named(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name has printable characters")
    return name.strip()


TokenName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_named)]


class TokenRequest(In):
    """A token that somebody wants; it is shown once."""

    name: TokenName = Field(examples=["monitoring"])
    role: Role
    expires_in_days: int | None = Field(
        default=90, ge=1, le=3650, description="Null: it does not expire."
    )
    addresses: list[IPvAnyNetwork] = Field(
        default=[], max_length=50, description="Networks from which alone it is taken."
    )


class Token(Out):
    """A token without its secret, which is stored nowhere."""

    id: str
    name: str
    role: str
    created_at: str
    created_by: str
    expires_at: str | None
    addresses: list[str]
    last_used_at: str | None
    last_used_from: str
    revoked_at: str | None


class TokenMade(Token):
    """``token`` is the secret; null where a request with an Idempotency-Key is answered again."""

    token: str | None


class Tokens(Out):
    items: list[Token]
    next: str | None


class AuditEntry(Out):
    """One act. ``entry`` is what was hashed: who, what, about what, before and after, why."""

    seq: int
    entry: dict[str, Any]
    hash: str


class AuditEntries(Out):
    items: list[AuditEntry]
    next: str | None


class Broken(Out):
    seq: int
    reason: str


class AuditVerdict(Out):
    """``unanchored`` entries at the end are chained, but no check-point vouches for them yet.

    ``ok``: nothing is broken, and there are no ``doubts``, which are for a person to look into.
    """

    ok: bool
    entries: int
    anchored: int
    unanchored: int
    checkpoints: int
    broken: Broken | None
    doubts: list[str]
    notes: list[str]


class HaltRequest(In):
    reason: Reason = Field(examples=["ransomware: find out what is infected"])


class Halt(Out):
    """``halted`` False: nothing is held up; then the rest is null."""

    halted: bool
    reason: str | None
    by: str | None
    at: str | None


class PublicText(In):
    """What people read, in either language or both; without any, the state speaks for itself."""

    it: PersonText = ""
    en: PersonText = ""


def _written_out(value: object) -> object:
    """Refuse a number, in quotes or not, which would be taken for seconds since 1970."""
    if value is not None and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("a moment is text, such as 2026-11-22T11:00:00+01:00")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class NoticeRequest(In):
    """What a person says of a service; it is shown as said by a person."""

    state: Literal["up", "restoring", "down", "not_affected", "unknown"]
    text: PublicText = PublicText()
    expected_at: Moment | None = Field(
        default=None, description="When it should be up, with its time zone."
    )


class Notice(Out):
    service: str
    state: str
    text: dict[str, str]
    expected_at: str | None
    by: str
    at: str
