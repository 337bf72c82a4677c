"""People who log in with a browser: password (Argon2id), one-time codes, sessions."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

import pyotp
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from drorch.access.principal import Means, Principal
from drorch.access.roles import Role
from drorch.errors import DrorchError

_MEMORY_KIB = 64 * 1024
_ITERATIONS = 3
_LANES = 1
"""With more, two passwords that are checked at once wait for each other for ever (OpenSSL 3)."""
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
SESSION = 12 * 3600.0
"""Seconds that a session lasts at most: a night."""
IDLE = 2 * 3600.0
"""Seconds after which an unused session is over."""
_STEP = 30


class WeakPasswordError(DrorchError):
    code = "weak-password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``password`` is an Argon2id PHC string; ``totp`` is sealed; both may be empty."""

    name: str
    role: Role
    password: str = ""
    totp: str = ""
    subject: str = ""
    disabled_at: str | None = None

    @property
    def principal(self) -> Principal:
        return Principal(id=self.name, name=self.name, role=self.role, means=Means.PERSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in. Times in seconds; ``hash`` is that of its cookie."""

    hash: str
    person: str
    csrf: str
    created: float
    seen: float
    expires: float
    address: str = ""

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def is_over(self, now: float) -> bool:
        return now >= self.expires or now - self.seen >= IDLE or now < self.created - 90


def new_session(person: str, address: str) -> tuple[Session, str]:
    """Return a session and its cookie's value, which is nowhere else."""
    cookie, now = secrets.token_urlsafe(32), time.time()
    session = Session(
        hash=session_hash(cookie),
        person=person,
        csrf=secrets.token_urlsafe(24),
        created=now,
        seen=now,
        expires=now + SESSION,
        address=address,
    )
    return session, cookie


def session_hash(cookie: str) -> str:
    """Return what is stored of a session's cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Return the PHC string of *password*; takes some tenths of a second. Any thread.

    Raises `WeakPasswordError`.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPasswordError(
            f"a password has at least {SHORTEST_PASSWORD} characters",
            hint="three or four words with spaces between them are easy to keep",
        )
    if len(password) > LONGEST_PASSWORD:
        raise WeakPasswordError(f"a password has at most {LONGEST_PASSWORD} characters")
    if len(set(password.lower())) < 5:
        raise WeakPasswordError("this password is one that everybody tries")
    kdf = Argon2id(
        salt=secrets.token_bytes(16),
        length=32,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return kdf.derive_phc_encoded(password.encode())


def password_fits(password: str, stored: str) -> bool:
    """Tell whether *password* is the one; as slow for somebody who does not exist."""
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        Argon2id.verify_phc_encoded(password.encode(), stored or _NOBODY)
    except (InvalidKey, ValueError):
        return False
    return bool(stored)


_NOBODY = (
    f"$argon2id$v=19$m={_MEMORY_KIB},t={_ITERATIONS},p={_LANES}$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""Nobody's password: checking it takes as long as anybody's, and it never fits."""


def new_totp() -> str:
    """Return a new secret for one-time codes, in base 32."""
    return pyotp.random_base32()


def totp_address(secret: str, person: str) -> str:
    """Return what an authenticator takes as a QR code or by hand."""
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name="drorch")


def code_step(secret: str, code: str, now: float) -> int | None:
    """Return the number of the half minute that *code* is right for; None if it is not.

    One half minute to either side is taken: phones and servers disagree, most of all after a
    power cut.
    """
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return None
    totp = pyotp.TOTP(secret)
    current = int(now) // _STEP
    steps = (current - 1, current, current + 1)
    return next((s for s in steps if totp.verify(code, for_time=s * _STEP)), None)
