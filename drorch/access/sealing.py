"""Seals small secrets before they go into the database, with a key that is kept outside of it.

AES-256-GCM. What a secret is about (whose it is) is sealed with it, so that nobody who can only
write to the database gives one person's secret to another.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drorch.errors import DrorchError

_FORM = "s1:"
"""What sealed text begins with; another form will have another number."""
_KEY_BYTES = 32
_NONCE_BYTES = 12


class SealError(DrorchError):
    """What is sealed cannot be opened here: another key, or it was changed."""

    code = "seal-broken"


def new_key() -> str:
    """Return a new key, as text for a file."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


class Seal:
    """Seals and opens with one key."""

    def __init__(self, key: str) -> None:
        """Raise `SealError` when *key* is not one that `new_key` has made."""
        try:
            raw = base64.urlsafe_b64decode(key.strip().encode())
        except (binascii.Error, UnicodeEncodeError):
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise SealError(
                "the key for what is sealed is not 32 bytes in base 64",
                hint="make one: openssl rand 32 | basenc --base64url > seal; chmod 600 seal",
            )
        self._cipher = AESGCM(raw)

    def close(self, secret: str, about: str) -> str:
        """Return *secret* sealed; only together with *about* is it opened again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), about.encode())
        return _FORM + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, about: str) -> str:
        """Return what `close` was given. Raises `SealError`."""
        form, text = sealed[: len(_FORM)], sealed[len(_FORM) :]
        try:
            raw = base64.urlsafe_b64decode(text.encode()) if form == _FORM else b""
            nonce, rest = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, rest, about.encode()).decode()
        except (ValueError, InvalidTag) as error:
            raise SealError(
                "what is sealed cannot be opened: the key is another one, or it was changed",
                hint="is [access] key the one that it was sealed with? 'drorch user totp NAME' "
                "gives a new secret",
            ) from error
