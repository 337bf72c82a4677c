"""Signatures as https://www.standardwebhooks.com has them: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from drorch.errors import ConfigurationError

_PREFIX = "whsec_"
_SIZES = range(24, 65)


def key_of(secret: str) -> bytes:
    """Return the key in *secret* (``whsec_`` and base64). Raises `ConfigurationError`."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _SIZES:
        raise ConfigurationError(
            "the secret of a web hook is 'whsec_' and 24 to 64 bytes in base64",
            hint='make one: printf "whsec_%s\\n" "$(openssl rand -base64 32)"',
        )
    return key


def headers(keys: Sequence[bytes], message: str, at: int, body: bytes) -> dict[str, str]:
    """Return the three headers; there is a signature by each of *keys*. *at*: Unix seconds."""
    signed = f"{message}.{at}.".encode() + body
    made = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made),
    }
