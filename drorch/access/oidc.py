"""Whom an ID token of an OpenID provider is about, if it holds in every respect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from drorch.errors import DrorchError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures with a private key alone: no ``none``, and nothing that our own secret could sign."""
_LEEWAY = 90
"""Seconds by which two clocks may differ; after a power cut they do."""
_LONGEST = 255


class OidcError(DrorchError):
    """The provider's answer proves nothing, or the provider does not answer."""

    code = "oidc"


def subject_of(issuer: str, sub: str) -> str:
    """Return what is stored of somebody: the provider, and who they are there."""
    return f"{issuer.rstrip('/')}#{sub}"


def key_set(document: Mapping[str, Any]) -> KeySet:
    """Return the keys of a provider, those of a kind that we don't know left out.

    Raises `OidcError` when none is left.
    """
    keys = document.get("keys")
    usable = [key for key in keys if _is_public(key)] if isinstance(keys, list) else []
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise OidcError(f"the provider's keys cannot be read: {error}") from error


def _is_public(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and _signs(key)


def _signs(key: Mapping[str, Any]) -> bool:
    return bool(key.get("use", "sig") == "sig")


def verified(
    token: str, keys: KeySet, *, issuer: str, client: str, nonce: str, now: float
) -> Mapping[str, Any]:
    """Return the claims of *token*: signed by *issuer*, for us, now, and for this very log-in.

    Raises `OidcError` with what does not hold.
    """
    try:
        found = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise OidcError(f"the ID token's signature does not hold: {error}") from error
    claims = CodeIDToken(
        found.claims,
        found.header,
        options={
            "iss": {"essential": True, "values": [issuer]},
            "aud": {"essential": True, "value": client},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        },
        params={"client_id": client, "nonce": nonce},
    )
    try:
        claims.validate(now=int(now), leeway=_LEEWAY)
    except (JoseError, ValueError, TypeError) as error:
        raise OidcError(f"the ID token does not hold: {error}") from error
    sub = found.claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= _LONGEST:
        raise OidcError("the ID token does not say who it is about")
    return found.claims
