"""A small OpenID provider on loopback: real keys, real signatures, and a list of ways to lie."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT = "drorch"
SECRET = "a secret: with / odd % signs"
Claims = dict[str, Any]


@dataclass(slots=True)
class Grant:
    """A code that was given, and for what."""

    nonce: str
    challenge: str
    redirect: str
    used: bool = False


def _as_they_are(claims: Claims) -> Claims:
    return claims


@dataclass(slots=True)
class OidcProvider:
    """What it says can be bent: *bend* changes claims, *sign* makes the token of them."""

    issuer: str = ""
    sub: str = "mario-at-the-provider"
    rsa: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "r1"}))
    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "e1"}))
    algorithm: str = "RS256"
    bend: Callable[[Claims], Claims] = _as_they_are
    sign: Callable[[Claims], str] | None = None
    document_issuer: str | None = None
    auth_method: str = "client_secret_basic"
    asked: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)

    def authorize(self, address: str) -> str:
        """Play the browser at the provider: log in there, and return where it is sent back."""
        split = urlsplit(address)
        given = {name: values[0] for name, values in parse_qs(split.query).items()}
        assert split.path == "/authorize"
        assert given["response_type"] == "code"
        assert given["client_id"] == CLIENT
        assert given["code_challenge_method"] == "S256"
        assert "openid" in given["scope"].split()
        code = secrets.token_urlsafe(16)
        grant = Grant(given["nonce"], given["code_challenge"], given["redirect_uri"])
        self.grants[code] = grant
        told = {"code": code, "state": given["state"], "iss": self.issuer}
        return f"{given['redirect_uri']}?{urlencode(told)}"

    def token(self, claims: Claims) -> str:
        if self.sign is not None:
            return self.sign(claims)
        key = self.ec if self.algorithm.startswith("ES") else self.rsa
        header = {"alg": self.algorithm, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[self.algorithm])

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, Any]:
        """Return the status and the JSON for one request."""
        self.asked.append(f"{method} {path}")
        if path == "/.well-known/openid-configuration":
            return 200, self._document()
        if path == "/keys":
            public = [key.as_dict(private=False) for key in (self.rsa, self.ec)]
            odd = {"kty": "oct", "k": "AAAA", "kid": "o1"}
            return 200, {"keys": [odd, *public, {"kty": "future"}]}
        if (method, path) == ("POST", "/token"):
            return self._exchange(headers, {k: v[0] for k, v in parse_qs(body).items()})
        return 404, {"error": "not_found"}

    def _document(self) -> Claims:
        return {
            "issuer": self.document_issuer or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": [self.auth_method],
        }

    def _exchange(self, headers: dict[str, str], given: dict[str, str]) -> tuple[int, Claims]:
        if not self._is_client(headers, given):
            return 401, {"error": "invalid_client"}
        grant = self.grants.get(given.get("code", ""))
        if grant is None or grant.used or grant.redirect != given.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        grant.used = True
        proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != grant.challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.sub,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
        }
        token = self.token(self.bend(claims))
        return 200, {"id_token": token, "access_token": "unused", "token_type": "Bearer"}

    def _is_client(self, headers: dict[str, str], given: dict[str, str]) -> bool:
        if self.auth_method == "client_secret_post":
            return given.get("client_id") == CLIENT and given.get("client_secret") == SECRET
        scheme, _, word = headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(word).decode().partition(":") if word else ("", "", "")
        return scheme == "Basic" and (unquote(name), unquote(secret)) == (CLIENT, SECRET)


def unsigned(claims: Claims) -> str:
    """Return a token that says that it needs no signature."""

    def part(value: Claims) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def signed_with_our_secret(claims: Claims) -> str:
    """Return a token that whoever knows the client's secret could make."""
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


def signed_by_another(claims: Claims) -> str:
    """Return a token under the provider's key id, by a key that is not the provider's."""
    return jwt.encode({"alg": "RS256", "kid": "r1"}, claims, RSAKey.generate_key(2048))


@asynccontextmanager
async def providing() -> AsyncIterator[OidcProvider]:
    """Run a provider on a free port of loopback."""
    provider = OidcProvider()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        method, path, _ = first.split(" ")
        status, told = provider.answer(method, path, headers, body)
        content = json.dumps(told).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        provider.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield provider
