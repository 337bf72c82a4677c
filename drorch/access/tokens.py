"""API tokens: shown once, stored as hashes, checked without a secret in the database.

``drt_<id>_<secret>_<check>``: the id finds the row, the check tells a mistyped token from a wrong
one (and scanners of leaked files find them by it), the SHA-256 of the whole is what is stored. A
fast hash is right here: the secret has 256 bits, nobody can try them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from drorch.access.principal import Means, Principal
from drorch.access.roles import Role
from drorch.errors import DrorchError

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"drt_(?P<id>[0-9a-z]{8})_(?P<secret>[0-9A-Za-z]{43})_(?P<check>[0-9a-f]{8})")


class AuthenticationNeededError(DrorchError):
    """Nobody said who asks, or what was said does not hold."""

    code = "authentication-needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is stored. *addresses* are networks from which alone it is taken."""

    id: str
    name: str
    role: Role
    hash: str
    created_at: str
    created_by: str
    expires_at: datetime | None
    addresses: tuple[str, ...]
    last_used_at: str | None
    last_used_from: str
    revoked_at: str | None

    @property
    def principal(self) -> Principal:
        return Principal(id=self.id, name=self.name, role=self.role, means=Means.TOKEN)

    def refusal(self, secret: str, address: str, now: datetime) -> str:
        """Return why the token is not taken, empty if it is.

        Whoever cannot show the right secret does not learn anything about the token.
        """
        if not hmac.compare_digest(self.hash, hashed(secret)):
            return "the token is not known"
        if self.revoked_at is not None:
            return f"the token {self.name} was revoked on {self.revoked_at}"
        if self.expires_at is not None and now >= self.expires_at:
            return f"the token {self.name} has expired on {self.expires_at:%Y-%m-%d %H:%M} UTC"
        if self.addresses and not _within(address, self.addresses):
            return f"the token {self.name} is not taken from {address or 'this address'}"
        return ""


def make() -> tuple[str, str]:
    """Return a new token, to be shown once, and its id."""
    name = "".join(secrets.choice(_LETTERS[:36].lower()) for _ in range(8))
    secret = "".join(secrets.choice(_LETTERS) for _ in range(43))
    body = f"drt_{name}_{secret}"
    return f"{body}_{_check(body)}", name


def id_of(token: str) -> str | None:
    """Return the id in *token*; None if it cannot be one, for instance a mistyped one."""
    match = _FORM.fullmatch(token)
    if match is None or _check(token.rpartition("_")[0]) != match["check"]:
        return None
    return match["id"]


def hashed(token: str) -> str:
    """Return what is stored of *token*."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ip_network(network) for network in networks)
