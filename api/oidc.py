"""Logging in by an OpenID provider: the code flow with PKCE, state and nonce. Never the only way.

The provider's document and keys are asked for at each log-in: that is rare, and so nothing is
stale when the provider changes its keys.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from api.bootstrap import Application
from api.people import seal_of
from api.settings import OidcSettings
from connectors.checks.trust import Trust
from connectors.egress import Answer, exchange
from connectors.network import Network
from drorch.access.oidc import OidcError, key_set, subject_of, verified
from drorch.access.sealing import SealError
from drorch.errors import ConnectorError, DrorchError

log = structlog.get_logger()

WITHIN = 600
"""Seconds that somebody has to log in at the provider."""
CALLBACK = "/login/oidc/callback"
_TIMEOUT = 8.0
_MOST_USED = 10_000
_ABOUT = "oidc"
_WELL_KNOWN = "/.well-known/openid-configuration"


class ProviderAwayError(OidcError):
    """The provider does not answer, or not as a provider does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A log-in that has begun: where the browser goes, and what it keeps meanwhile, sealed."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Who the provider says it is. *subject* is what is stored of a person, *sub* its last part."""

    subject: str
    sub: str
    next: str


class Provider:
    """The provider of ``[oidc]``."""

    def __init__(self, app: Application, settings: OidcSettings) -> None:
        self._app = app
        self.settings = settings
        networks = settings.allow if settings.allow is not None else app.settings.network.allow
        self._network = Network(networks)
        files = {name: entry.file for name, entry in app.settings.authorities.items()}
        self._trust = Trust(files)
        self._used: OrderedDict[str, float] = OrderedDict()

    async def begin(self, back: str, next_: str) -> Begun:
        """Send somebody to the provider, who comes back to our address *back*.

        Raises `ProviderAwayError`, `ConfigurationError`.
        """
        document = await self._document()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = prepare_grant_uri(
            document["authorization_endpoint"],
            self.settings.client_id,
            "code",
            redirect_uri=back,
            scope="openid",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        kept = {"s": state, "n": nonce, "v": verifier, "b": back, "t": next_, "at": time.time()}
        return Begun(address=address, cookie=seal_of(self._app).close(json.dumps(kept), _ABOUT))

    async def finish(self, asked: Mapping[str, str], cookie: str) -> Proved:
        """Return who comes back with what is *asked*, and the *cookie* that they left with.

        Raises `OidcError` with the reason: nobody is logged in then.
        """
        kept = self._kept(asked.get("state", ""), cookie)
        if error := asked.get("error"):
            raise OidcError(f"the provider says {error[:100]}")
        if not (code := asked.get("code")):
            raise OidcError("the provider gave no code")
        document = await self._document()
        if (iss := asked.get("iss")) is not None and iss != document["issuer"]:
            raise OidcError("the answer is of another provider")
        token = await self._token(document, code, kept)
        keys = key_set(await self._get(document["jwks_uri"]))
        claims = verified(
            token,
            keys,
            issuer=document["issuer"],
            client=self.settings.client_id,
            nonce=kept["n"],
            now=time.time(),
        )
        sub = str(claims["sub"])
        return Proved(subject=subject_of(self.settings.issuer, sub), sub=sub, next=kept["t"])

    def _kept(self, state: str, cookie: str) -> Mapping[str, Any]:
        """Return what this browser left with; once, and only for the *state* that it was given."""
        try:
            kept: Mapping[str, Any] = json.loads(seal_of(self._app).open(cookie, _ABOUT))
        except (SealError, ValueError) as error:
            raise OidcError(
                "this browser did not begin a log-in here, or it has ended",
                hint="begin again at /login",
            ) from error
        if not hmac.compare_digest(state.encode(), str(kept["s"]).encode()):
            raise OidcError("the answer belongs to another log-in", hint="begin again at /login")
        now = time.time()
        if not -WITHIN < now - kept["at"] < WITHIN:
            raise OidcError("that took too long", hint="begin again at /login")
        self._use_once(kept["s"], now)
        return kept

    def _use_once(self, state: str, now: float) -> None:
        if state in self._used:
            raise OidcError("this answer was used before", hint="begin again at /login")
        self._used[state] = now
        while self._used and (
            len(self._used) > _MOST_USED or now - next(iter(self._used.values())) > 2 * WITHIN
        ):
            self._used.popitem(last=False)

    async def _token(self, document: Mapping[str, Any], code: str, kept: Mapping[str, Any]) -> str:
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=kept["b"], code_verifier=kept["v"]
        )
        secret = self.settings.client_secret.read()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" in methods:
            pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            both = {"client_id": self.settings.client_id, "client_secret": secret}
            body += "&" + urlencode(both)
        told = await self._ask("POST", document["token_endpoint"], body.encode(), headers)
        token = told.get("id_token")
        if not isinstance(token, str):
            said = str(told.get("error") or "no ID token")[:100]
            raise OidcError(f"the provider refused the code: {said}")
        return token

    async def _document(self) -> Mapping[str, Any]:
        """Return what the provider says of itself, and refuse what could lead elsewhere."""
        issuer = self.settings.issuer
        document = await self._get(issuer.rstrip("/") + _WELL_KNOWN)
        if str(document.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
            raise ProviderAwayError(
                f"the provider calls itself {str(document.get('issuer'))[:200]!r}",
                hint="[oidc] issuer has to be the very same",
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _refuse_clear(name, document.get(name), issuer)
        return document

    async def _get(self, url: str) -> Mapping[str, Any]:
        return await self._ask("GET", url)

    async def _ask(
        self, method: str, url: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        verify = self._trust.context(self.settings.ca)
        try:
            answer = await exchange(
                self._network,
                method,
                url,
                verify=verify,
                timeout=_TIMEOUT,
                content=content,
                headers={"Accept": "application/json", **(headers or {})},
                most=256 * 1024,
            )
        except ConnectorError as error:
            raise ProviderAwayError(
                f"the provider does not answer: {error.message}",
                hint="log in with name and password meanwhile",
            ) from error
        return _read(answer, method)


def _read(answer: Answer, method: str) -> Mapping[str, Any]:
    """Return the JSON object of an answer; what a token endpoint refuses with is one, too."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = None
    if not isinstance(told, dict) or (method == "GET" and not answer.ok):
        raise ProviderAwayError(f"the provider answers with HTTP status {answer.status}")
    return told


def _refuse_clear(name: str, url: Any, issuer: str) -> None:
    scheme = urlsplit(url).scheme if isinstance(url, str) else ""
    if scheme != "https" and scheme != urlsplit(issuer).scheme:
        raise ProviderAwayError(f"the provider's {name} is no https address")


def provider_of(app: Application) -> Provider | None:
    """Return the provider of the configuration, if there is one."""
    return Provider(app, app.settings.oidc) if app.settings.oidc is not None else None


def words_of(error: DrorchError) -> str:
    """Return what the log-in page says of *error*."""
    return f"{error.message}. {error.hint}".rstrip(" .") + "."
