"""Who may ask, while there is no authentication: this machine, under its own name, from here."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import answer_drorch_error, answer_http_error
from api.schemas.problem_types import HostRefusedError, OriginRefusedError
from drorch.errors import DrorchError
from plans.source.text import MOST_BYTES

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FROM_A_CHECK = "x-drorch-check"
_OWN_SITE = frozenset({"", "same-origin", "none"})

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
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
    """Refuses other names and other sites, numbers the requests, hardens every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = request_id

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                _harden(MutableHeaders(scope=message), request_id)
            await send(message)

        refusal = refused(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, hardened)
        else:
            await answer_drorch_error(Request(scope), refusal)(scope, receive, hardened)


def _harden(headers: MutableHeaders, request_id: str) -> None:
    for name, value in HEADERS.items():
        headers[name] = value
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")


def refused(method: str, headers: Headers) -> DrorchError | None:
    """Return why a request is refused, or None."""
    hosts = headers.getlist("host")
    host = hosts[0].lower() if len(hosts) == 1 else ""
    match = _HOST.fullmatch(host)
    if match is None or match["name"] not in LOOPBACK:
        return HostRefusedError(
            "the service is asked under a name that is not loopback's",
            hint="use http://127.0.0.1 or http://localhost with the service's port; "
            "authentication, and with it other addresses, comes later",
        )
    if method in _SAFE:
        return None
    if _FROM_A_CHECK in headers:
        return OriginRefusedError(
            "a health check of a plan asked for this",
            hint="plans may look at this service, but decide nothing through it",
        )
    if _from_here(host, headers):
        return None
    return OriginRefusedError(
        "a page of another site asked for this",
        hint="use the pages of this service itself",
    )


def _from_here(host: str, headers: Headers) -> bool:
    """Programs send no Origin; browsers send it with every request that changes something."""
    if headers.get("sec-fetch-site", "") not in _OWN_SITE:
        return False
    return all(origin.lower() == f"http://{host}" for origin in headers.getlist("origin"))


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
        if not declared.isdigit() or int(declared) > limit:
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
