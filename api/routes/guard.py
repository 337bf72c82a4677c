"""What is refused before it matters who asks: other names, other sites, ways past the proxy."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api.host_names import LOOPBACK, canonical
from api.problems import answer_drorch_error, answer_http_error
from api.schemas.problem_types import HeadTooLargeError, HostRefusedError, OriginRefusedError
from api.serving_rules import Peers
from api.settings import ServerSettings
from drorch.errors import DrorchError
from plans.source.text import MOST_BYTES

HEAD_LIMIT = 32 * 1024
"""Bytes of a request's line and headers: a plan's signature is one of them."""
_MOST_HEADERS = 100
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FROM_A_CHECK = "x-drorch-check"
_OWN_SITE = frozenset({"", "same-origin", "none"})
_STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"

POLICY = "Content-Security-Policy"
HEADERS: Mapping[str, str] = {
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers then send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses other names and other sites, numbers the requests, hardens every answer.

    Believes the proxies of *server* about who asks and by which scheme, and nobody else.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Container[str] = LOOPBACK,
        server: ServerSettings | None = None,
    ) -> None:
        self._app = app
        self._names = names
        server = server or ServerSettings()
        self._peers = Peers(server)
        # Its types are uvicorn's own spelling of the same protocol.
        self._told: ASGIApp = ProxyHeadersMiddleware(  # type: ignore[assignment]
            self._look,  # type: ignore[arg-type]
            list(server.trusted_proxy),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["past_proxy"] = not self._may_come(scope)
        await self._told(scope, receive, send)

    def _may_come(self, scope: Scope) -> bool:
        """Tell whether nobody could read or change this on its way here."""
        peer, own = (scope.get(end) or ("",) for end in ("client", "server"))
        return scope["scheme"] == "https" or self._peers.may_ask(peer[0], own[0])

    async def _look(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["state"].setdefault("request_id", secrets.token_hex(6))
        headers = Headers(scope=scope)
        strict = scope["scheme"] == "https" and _name_in(headers) not in LOOPBACK

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                _harden(MutableHeaders(scope=message), request_id, strict=strict)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, hardened)
        else:
            answer = answer_drorch_error(Request(scope), refusal)
            if isinstance(refusal, HeadTooLargeError):
                answer.headers["Connection"] = "close"
            await answer(scope, receive, hardened)

    def _refusal(self, scope: Scope, headers: Headers) -> DrorchError | None:
        if scope["state"]["past_proxy"]:
            return _past_proxy()
        return too_large(scope) or refused(scope["method"], headers, self._names, scope["scheme"])


def too_large(scope: Scope) -> DrorchError | None:
    """Return why a request's line and headers are not read, or None.

    What reads them from the connection stops only at those that do not come at once.
    """
    fields = scope["headers"]
    line = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    size = line + sum(len(name) + len(value) for name, value in fields)
    if size <= HEAD_LIMIT and len(fields) <= _MOST_HEADERS:
        return None
    return HeadTooLargeError(
        f"line and headers have {size} bytes, there are {len(fields)} headers",
        hint=f"at most {HEAD_LIMIT // 1024} KiB and {_MOST_HEADERS} headers are taken",
    )


def _harden(headers: MutableHeaders, request_id: str, *, strict: bool) -> None:
    own = headers.get(POLICY, "")  # of a file that allows itself less, and its own style
    for name, value in HEADERS.items():
        headers[name] = value
    if own:
        headers[POLICY] = own
    if strict:
        headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")


def _past_proxy() -> DrorchError:
    return HostRefusedError(
        "this was asked in the clear, past the proxy that does TLS",
        hint="ask through the proxy; if this is the proxy, its address belongs into [server] "
        "trusted_proxy",
    )


def refused(
    method: str, headers: Headers, names: Container[str] = LOOPBACK, scheme: str = "http"
) -> DrorchError | None:
    """Return why a request is refused that came by *scheme* to one of our *names*, or None."""
    if _name_in(headers) not in names:
        return HostRefusedError(
            "the service is asked under a name that it does not know as its own",
            hint="use a name or address of its certificate, or http://127.0.0.1 on its own "
            "machine; further names belong into [server] names",
        )
    if method in _SAFE:
        return None
    if _FROM_A_CHECK in headers:
        return OriginRefusedError(
            "a health check of a plan asked for this",
            hint="plans may look at this service, but decide nothing through it",
        )
    if _from_here(f"{scheme}://{headers['host'].lower()}", headers):
        return None
    return OriginRefusedError(
        "a page of another site asked for this",
        hint="use the pages of this service itself; behind a proxy, let it pass on Host and "
        "X-Forwarded-Proto",
    )


def _name_in(headers: Headers) -> str | None:
    """Return the one name under which is asked; None where there is none, or no single one."""
    hosts = headers.getlist("host")
    match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    return canonical(match["name"]) if match is not None else None


def _from_here(here: str, headers: Headers) -> bool:
    """Programs send no Origin; browsers send it with every request that changes something."""
    if headers.get("sec-fetch-site", "") not in _OWN_SITE:
        return False
    return all(origin.lower() == here for origin in headers.getlist("origin"))


PLAN_PATHS = frozenset({"/api/v1/plans", "/api/v1/plans/validate"})
BODY_LIMIT = 64 * 1024


class BodyLimit:
    """Takes no more of a body than its address may need: 5 MiB for a plan, else 64 KiB."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = MOST_BYTES if scope["path"] in PLAN_PATHS else BODY_LIMIT
        too_large = HTTPException(413)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > limit:
            await answer_http_error(Request(scope), too_large)(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise too_large
            return message

        await self._app(scope, counted, send)
