"""Tokens and the halt as every face makes and shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.bootstrap import Application
from drorch.access import tokens
from drorch.access.principal import Caller
from drorch.access.roles import Role
from drorch.journal.site_rules import Halt
from drorch.model.moment import stamp
from drorch.run.views import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedToken:
    """*days* until it expires, None for never; *addresses* are networks."""

    name: str
    role: Role
    days: int | None
    addresses: tuple[str, ...] = ()


async def make_token(
    app: Application, wanted: WantedToken, caller: Caller
) -> tuple[str, tokens.Token]:
    """Make and store a token; return its secret, which is nowhere else, and the rest.

    Raises `AccessConflictError` when a living token has that name.
    """
    secret, key = tokens.make()
    now = datetime.now(UTC)
    token = tokens.Token(
        id=key,
        name=wanted.name,
        role=wanted.role,
        hash=tokens.hashed(secret),
        created_at=stamp(now),
        created_by=caller.by.name,
        expires_at=now + timedelta(days=wanted.days) if wanted.days is not None else None,
        addresses=wanted.addresses,
        last_used_at=None,
        last_used_from="",
        revoked_at=None,
    )
    after = {"name": token.name, "role": str(token.role), "addresses": list(token.addresses)}
    await app.gate.add_token(token, caller.act("token.create", f"token/{key}", after=after))
    return secret, token


def halt_json(halt: Halt | None) -> Json:
    """Return whether, since when and why drorch is halted, as every face shows it."""
    if halt is None:
        return {"halted": False, "reason": None, "by": None, "at": None}
    return {"halted": True, "reason": halt.reason, "by": halt.by, "at": halt.at}


def token_json(token: tokens.Token) -> Json:
    """Return a token as every face shows it: never its secret, nor what is stored of it."""
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": stamp(token.expires_at) if token.expires_at else None,
        "addresses": list(token.addresses),
        "last_used_at": token.last_used_at,
        "last_used_from": token.last_used_from,
        "revoked_at": token.revoked_at,
    }
